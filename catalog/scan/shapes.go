package scan

import (
	"net"
	"net/netip"
	"strings"
	"unicode"
)

// shape is what a value looks like.
type shape int

const (
	mail shape = iota
	phone
	ip
	card
	iban
	mac
	uuid
	url
	secret
	country2
	country3
	coordinates
	isoDate
	given // begins with a common given name
	prose // five words or more
	// Of numbers.
	degrees
	fineDegrees
	// Within a longer text.
	mailInside
	numberInside
	nameInside
	shapeCount
)

// shapeWords follow "nearly all sampled values".
var shapeWords = [shapeCount]string{
	mail: "look like e-mail addresses", phone: "look like telephone numbers", ip: "look like IP addresses",
	card: "look like card numbers", iban: "look like bank accounts (IBAN)", mac: "look like hardware addresses",
	uuid: "look like UUIDs", url: "look like web addresses", secret: "look like password hashes or tokens",
	country2: "look like country codes", country3: "look like country codes", coordinates: "look like coordinates",
	isoDate: "look like dates", given: "begin with a common given name", prose: "are five words or longer",
	degrees: "lie within 180", fineDegrees: "look like degrees with many decimals",
	mailInside: "contain an e-mail address", numberInside: "contain a telephone, card or account number or an IP address",
	nameInside: "contain a common given name",
}

// shapeOf tells the one shape that a whole value has.
func shapeOf(v string) (shape, bool) {
	if len(v) > 300 {
		return 0, false
	}
	switch {
	case mailAddress(v):
		return mail, true
	case ipAddress(v):
		return ip, true
	case isDate(v):
		return isoDate, true
	case isUUID(v):
		return uuid, true
	case len(v) == 17 && hardware(v):
		return mac, true
	case coordinatePair(v):
		return coordinates, true
	case cardNumber(v):
		return card, true
	case accountNumber(v):
		return iban, true
	case phoneNumber(v):
		return phone, true
	case isSecret(v):
		return secret, true
	case strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://"):
		return url, true
	case len(v) == 2 && upper(v):
		return country2, true
	case len(v) == 3 && upper(v):
		return country3, true
	}
	return 0, false
}

func upper(v string) bool {
	return !strings.ContainsFunc(v, func(r rune) bool { return r < 'A' || r > 'Z' })
}

func mailAddress(v string) bool {
	local, domain, ok := strings.Cut(v, "@")
	if !ok || local == "" || len(local) > 64 || strings.ContainsAny(v, " \t\n<>(),;\"") || strings.Contains(domain, "@") {
		return false
	}
	dot := strings.LastIndexByte(domain, '.')
	return dot > 0 && len(domain)-dot > 2
}

func ipAddress(v string) bool {
	if strings.Count(v, ".") != 3 && strings.Count(v, ":") < 2 {
		return false
	}
	if _, err := netip.ParsePrefix(v); err == nil {
		return true
	}
	_, err := netip.ParseAddr(v)
	return err == nil
}

func isDate(v string) bool {
	return len(v) >= 10 && digits(v[:4]) && v[4] == '-' && digits(v[5:7]) && v[7] == '-' && digits(v[8:10])
}

func digits(v string) bool {
	return v != "" && !strings.ContainsFunc(v, func(r rune) bool { return r < '0' || r > '9' })
}

func isUUID(v string) bool {
	if len(v) != 36 || v[8] != '-' || v[13] != '-' || v[18] != '-' || v[23] != '-' {
		return false
	}
	return hexadecimal(strings.ReplaceAll(v, "-", ""))
}

func hexadecimal(v string) bool {
	return v != "" && !strings.ContainsFunc(v, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) })
}

func hardware(v string) bool {
	_, err := net.ParseMAC(v)
	return err == nil
}

// coordinatePair is "53.3498, -6.2603".
func coordinatePair(v string) bool {
	a, b, ok := strings.Cut(strings.Trim(v, "()"), ",")
	return ok && degree(strings.TrimSpace(a)) && degree(strings.TrimSpace(b))
}

func degree(v string) bool {
	whole, part, ok := strings.Cut(strings.TrimPrefix(v, "-"), ".")
	return ok && len(whole) <= 3 && digits(whole) && len(part) >= 2 && digits(part)
}

// bare drops what people put between groups of digits.
func bare(v string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, v)
}

// cardNumber has the length, beginning and check digit (ISO/IEC 7812, Luhn) of one.
func cardNumber(v string) bool {
	v = bare(v)
	if len(v) < 13 || len(v) > 19 || v[0] < '3' || v[0] > '6' || !digits(v) {
		return false
	}
	sum := 0
	for i := range len(v) {
		d := int(v[len(v)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// accountNumber is an IBAN with its check digits (ISO 13616, mod 97).
func accountNumber(v string) bool {
	v = bare(v)
	if len(v) < 15 || len(v) > 34 || !upper(v[:2]) || !digits(v[2:4]) {
		return false
	}
	rest := 0
	for _, r := range v[4:] + v[:4] {
		switch {
		case r >= '0' && r <= '9':
			rest = (rest*10 + int(r-'0')) % 97
		case r >= 'A' && r <= 'Z':
			rest = (rest*100 + int(r-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}

// phoneNumber needs a plus or a bracket, or groups; bare digits can be anything.
func phoneNumber(v string) bool {
	n, other := 0, 0
	for i, r := range v {
		switch {
		case r >= '0' && r <= '9':
			n++
		case r == '+' && i == 0, strings.ContainsRune("()", r):
			other += 2
		case strings.ContainsRune(" -./", r):
			other++
		default:
			return false
		}
	}
	return n >= 7 && n <= 15 && other >= 2
}

// isSecret knows the usual password hashes and signed tokens, and long strings
// of hexadecimal digits of a hash's length.
func isSecret(v string) bool {
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$", "$argon2", "$scrypt$", "$pbkdf2", "pbkdf2_", "SCRAM-SHA-", "{SSHA}", "$1$", "$5$", "$6$", "$7$", "$y$", "eyJ"} {
		if strings.HasPrefix(v, prefix) && len(v) >= 30 {
			return true
		}
	}
	return (len(v) == 32 || len(v) == 40 || len(v) == 64 || len(v) == 128) && hexadecimal(v) && strings.ContainsFunc(v, unicode.IsLetter)
}

// givenName tells whether a short text begins with a common given name.
func givenName(v string) bool {
	first, _, _ := strings.Cut(strings.ToLower(v), " ")
	if first == v { // all of it in lower case: a handle such as anna.berg
		first, _, _ = strings.Cut(first, ".")
		first, _, _ = strings.Cut(first, "_")
	}
	return len(v) <= 60 && strings.Contains(givenNames, " "+first+" ") && first != ""
}

// givenNames are common in many countries and few of them are words. A share
// of a fifth is what they are asked for, so the list need not be long.
const givenNames = " aaliyah aaron abdul abigail adam adele adrian agnes ahmed aisha aino aiko akira alan albert alejandro aleksander alessandro alex alexander" +
	" alexandra ali alice alicia alina amelia amina amir amy ana anders andrea andreas andrej andrew andrzej angela anita anja anna anne anneli annika anton" +
	" antonio antti aoife arjun arthur astrid aylin ayse barbara beatriz ben benjamin bernard betty bianca birgit björn bogdan brandon brenda brian bruno camille" +
	" carla carlos carmen carol caroline catherine cecilia charles charlotte chen chiara christian christina christine christopher ciara clara claudia" +
	" cristina cynthia daniel daniela david deborah denis diana diego dimitri dmitri donald donna dorota dorothy edward elena elin elisa elizabeth ella ellen emily" +
	" emil emma enrique eric erik esther eva fatima felipe felix fernando filip fiona florian frances francesca francesco francisco frank franz fredrik" +
	" gabriel gabriela george georgios gerard gerhard giovanni giulia giuseppe greta gustav hana hannah hans harald haruto hassan heather heidi helen helena henrik" +
	" hiroshi hugo ibrahim igor ilse inga ingrid irena irina isabel isabella ivan jack jacob jakub james jan jana janet jason javier jean jennifer jens jessica" +
	" jessie jin joan joao johan johanna johannes john jonas jonathan jorge josé jose josef joseph joshua juan juha julia julian julie jürgen karen karin karl" +
	" katarina kate katherine kathleen katja kemal kenji kenneth kevin kimberly kiran klaus kristina krzysztof lars laura lea leila lena leo leon liam lina linda" +
	" lisa lorenzo louis louise luca lucas lucia ludwig luis luisa lukas madison magdalena maja malgorzata manuel marco marcus margaret maria marie marina mario" +
	" marta martin mary mateo matteo matthew matthias max mei mehmet melissa mia michael michelle miguel mikael milan ming mohamed mohammed monica monika muhammad" +
	" mustafa nadia nancy natalia nathan nicholas nick nicola nicole niklas nikolaj nils nina noah nora olga oliver olivia omar oscar otto pablo pamela paolo patricia" +
	" patrick paul paula pavel pedro peter petra philip pierre piotr priya rachel rafael rahul raj ralph raymond rebecca renata ricardo richard robert roberto roger" +
	" roman ronald rosa ruth ryan sabine said salma samuel sandra sara sarah sebastian sergei sharon shirley simon sofia sofie stefan stefania stephen steven" +
	" sunita susan susanne sven svetlana tatiana theodor teresa thomas tim timothy tomas tomasz ulrich ursula valentina vera veronica viktor vincent vladimir" +
	" virginia walter wei werner wilhelm william wolfgang xavier yasmin yuki yusuf zeynep zofia "
