package scan

import (
	"slices"
	"strings"
	"unicode"

	"github.com/trefoil-dev/trefoil/catalog"
)

// rule says what a name means for columns of some families.
type rule struct {
	category catalog.Category
	mask     catalog.Mask // replaced by hide when it does not fit the type
	families string
	words    string // as name.has looks for them
	ask      bool   // a person should look at it
}

// rules are tried in order: the more a category protects, the earlier.
var rules = []rule{
	{catalog.Credential, catalog.Hide, "text bytes uuid document", "password passwd pwd passphrase passwort kennwort contrasena motdepasse salt secret token apikey privatekey otp totp mfa recoverycode cookie jwt credential refreshtoken", false},
	{catalog.Credential, catalog.Hide, "text bytes", "hash digest pin", true},
	{catalog.Special, catalog.Hide, "", "health diagnosis diagnoses disease illness medical medication allergy disability disabled religion religious faith ethnicity ethnic race political politics party union sexuality sexual orientation biometric fingerprint faceprint genetic dna blood pregnant pregnancy criminal conviction icd vaccination hiv krankheit gesundheit konfession", true},
	{catalog.Minor, catalog.Hide, "boolean", "child minor underage kid", true},
	{catalog.Network, catalog.IP, "text address", "ip ipaddress ipaddr ipv4 ipv6 remoteaddr remoteip clientip hostip lastip", false},
	{catalog.Network, catalog.IP, "address", "", false},
	{catalog.Device, catalog.Hide, "text uuid mac", "imei imsi idfa idfv gaid aaid advertising advertisingid androidid deviceid deviceuuid serialno serialnumber macaddress mac udid pushtoken browserfingerprint devicefingerprint", false},
	{catalog.Device, catalog.Hide, "mac", "", false},
	{catalog.Device, catalog.Keep, "text enum", "device platform model os operatingsystem browser useragent agent manufacturer firmware appversion osversion handset", false},
	{catalog.Birth, catalog.Year, "date time text", "born birth birthday birthdate dob dateofbirth geburtsdatum geburtstag geburt naissance nacimiento nascimento", false},
	{catalog.Birth, catalog.Hide, "int", "birthyear yearofbirth yob age jahrgang", false},
	{catalog.Residence, catalog.Keep, "text enum", "country countrycode countryiso residence homecountry nation land pays pais paese iso2 iso3", false},
	{catalog.Location, catalog.Coarse, "number", "lat latitude lon lng long longitude breitengrad laengengrad", false},
	{catalog.Location, catalog.Coarse, "point", "", true},
	{catalog.Location, catalog.Hide, "text point document other", "geo geolocation gps coordinates coords location position geom geography geometry latlng latlon geohash whereabouts", true},
	{catalog.Contact, catalog.Email, "text", "email mail emailaddress mailaddress courriel correo", false},
	{catalog.Contact, catalog.Phone, "text", "phone telephone telefon telefono tel mobile mobil cell cellphone handy fax msisdn whatsapp", false},
	{catalog.Contact, catalog.Hide, "int number", "phone telephone telefon mobile msisdn", false},
	{catalog.Contact, catalog.Hide, "text document", "address addr adresse anschrift street strasse city town ort ville ciudad zip zipcode postcode postalcode postal plz district county province house housenumber apartment suite", false},
	{catalog.Contact, catalog.Hide, "int", "zip zipcode postcode postalcode plz housenumber", false},
	{catalog.Financial, catalog.Hide, "text int number money", "iban bic swift cardnumber creditcard creditcardnumber pan last4 cardlast cvv cvc bankaccount accountnumber account bank card routing sortcode paymentmethod", false},
	{catalog.Financial, catalog.Hide, "int number money text", "amount price cost balance salary wage income fee tax vat discount currency cents revenue credit debit subtotal grandtotal turnover betrag preis gehalt", false},
	{catalog.Financial, catalog.Hide, "number money", "total sum rate net gross paid", false},
	{catalog.Financial, catalog.Hide, "money", "", false},
	{catalog.Identity, catalog.Hide, "text int number", "ssn taxid taxnumber vatid passport nationalid personnummer personalnumber socialsecurity driverlicense drivinglicence licenseplate nin nino cpf dni bsn steuerid", false},
	{catalog.Identity, catalog.Hide, "text enum boolean", "gender sex geschlecht nationality citizenship maritalstatus", true},
	{catalog.Identity, catalog.PersonName, "text", "firstname lastname fullname surname givenname familyname middlename maidenname displayname realname nickname username login handle screenname vorname nachname prenom nombre apellido cognome initials forename fname lname uname", false},
	{catalog.Identity, catalog.Hide, "text bytes", "avatar picture photo portrait selfie profileimage signature bild foto", true},
	{catalog.Content, catalog.Length, "text", "filename pathname", false},
	{catalog.Identity, catalog.PersonName, "text", "name", false},
	{catalog.Content, catalog.Length, "text document", "bio biography about description body text message comment note title subject caption content review feedback question answer summary story headline post remark memo search query keyword url link website webpage attachment topic hashtag reason reply transcript", false},
	{catalog.Behaviour, catalog.Keep, "int number enum text boolean", "active status state type kind action event channel source method locale language lang timezone tz category plan tier role level score rating rank count quantity qty number seconds second ms msec millis minutes minute hours hour duration length size watched views likes points attempts visits visit position priority version step streak", false},
	{catalog.Behaviour, catalog.Keep, "boolean", "ok success successful failed active activebool enabled deleted archived verified confirmed published read seen opened clicked subscribed optin consent accepted blocked banned suspended locked default primary completed done paid sent delivered", false},
	{catalog.Behaviour, catalog.Keep, "boolean", "is has was can did wants may allow", false},
	{catalog.Behaviour, catalog.Keep, "time", "", false},
	{catalog.Behaviour, catalog.Keep, "date", "date day on at since until from to start end created updated expires expiry due valid joined month", false},
	{catalog.Behaviour, catalog.Keep, "span", "", false},
}

// match finds the first rule for a column that the values do not contradict;
// word is what its name said, or empty when its type alone did.
func match(n name, family string, s *stats) (r rule, word string, ok bool) {
	for _, r := range rules {
		if r.category == catalog.Network && family == "text" && s.values >= few && s.share(ip) < 0.2 {
			continue // such as shipaddress, or ip for something else
		}
		if r.families != "" && !slices.Contains(strings.Fields(r.families), family) {
			continue
		}
		if r.words == "" {
			return r, "", true
		}
		if word := n.has(r.words); word != "" {
			return r, word, true
		}
	}
	return rule{}, "", false
}

// name is the name of a column or table taken apart.
type name struct {
	parts  []string // words, and pairs of neighbouring words
	whole  string   // all of it, without what is between
	single bool     // it is one word
}

// parse takes a name apart at underscores, spaces, capitals and digits.
func parse(s string) name {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = nil
	}
	lower := false
	for _, r := range s {
		switch {
		case unicode.IsUpper(r):
			if lower {
				end()
			}
			word = append(word, r)
			lower = false
			continue
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			word = append(word, r)
			lower = true
			continue
		}
		end()
		lower = false
	}
	end()
	n := name{whole: strings.Join(words, ""), single: len(words) == 1}
	for i, w := range words {
		n.parts = append(n.parts, w, singular(w), strings.TrimRight(w, "0123456789"))
		if i > 0 {
			n.parts = append(n.parts, words[i-1]+w)
		}
	}
	return n
}

// has gives the first of some words that the name has: one of its words, two of
// them joined, all of them, or, where nothing separates words, five letters or
// more at its beginning or end.
func (n name) has(words string) string {
	for w := range strings.FieldsSeq(words) {
		if slices.Contains(n.parts, w) || n.whole == w {
			return w
		}
		if len(w) >= 5 && n.single && (strings.HasPrefix(n.whole, w) || strings.HasSuffix(n.whole, w)) {
			return w
		}
	}
	return ""
}

// irregular are plurals that dropping an s does not undo.
var irregular = map[string]string{"people": "person", "children": "child", "kunden": "kunde", "personen": "person", "status": "status", "address": "address", "news": "news"}

func singular(w string) string {
	if s, ok := irregular[w]; ok {
		return s
	}
	switch {
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return strings.TrimSuffix(w, "ies") + "y"
	case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "xes"), strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "shes"):
		return strings.TrimSuffix(w, "es")
	case strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && len(w) > 3:
		return strings.TrimSuffix(w, "s")
	}
	return w
}

// people are words for tables whose rows are persons; the first are those that
// a platform's data subjects go by, the second its own staff.
const (
	subjects = "user customer person client member patient student subscriber citizen passenger guest player buyer tenant resident pupil consumer applicant kunde benutzer nutzer utilisateur cliente usuario account profile contact individual participant donor"
	staff    = "staff employee worker agent operator admin administrator manager author actor driver seller vendor supplier teacher doctor mitarbeiter"
)
