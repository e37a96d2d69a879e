package clips

// country is where a user lives.
type country struct {
	code     string // ISO 3166-1 alpha-2
	name     string // ISO 3166-1 English short name, shortened as usual
	calling  string // ITU-T E.164 country code
	weight   int    // share of the platform's users, parts of the sum
	names    region // whose names people bear
	city     string // the largest
	lat, lon int    // of the city, in 1e-5 degrees
	currency string // ISO 4217
	eu       bool   // in zone eu: EEA, United Kingdom, Switzerland
}

// countries is in the order of the code; the position of a country is part of
// its network addresses. In Europe weights follow the population in millions.
var countries = [...]country{
	{"AE", "United Arab Emirates", "971", 2, arabic, "Dubai", 2520485, 5527078, "AED", false},
	{"AR", "Argentina", "54", 10, hispanic, "Buenos Aires", -3460368, -5838157, "ARS", false},
	{"AT", "Austria", "43", 9, german, "Wien", 4820849, 1637208, "EUR", true},
	{"AU", "Australia", "61", 9, english, "Sydney", -3386882, 15120930, "AUD", false},
	{"BE", "Belgium", "32", 12, dutch, "Antwerpen", 5121990, 440346, "EUR", true},
	{"BG", "Bulgaria", "359", 6, bulgarian, "Sofia", 4269751, 2332415, "BGN", true},
	{"BR", "Brazil", "55", 38, portuguese, "São Paulo", -2355052, -4663331, "BRL", false},
	{"CA", "Canada", "1", 12, english, "Toronto", 4370011, -7941630, "CAD", false},
	{"CH", "Switzerland", "41", 9, german, "Zürich", 4737689, 854169, "CHF", true},
	{"CL", "Chile", "56", 5, hispanic, "Santiago", -3345694, -7064827, "CLP", false},
	{"CO", "Colombia", "57", 12, hispanic, "Bogotá", 460971, -7408175, "COP", false},
	{"CY", "Cyprus", "357", 1, greek, "Nicosia", 3517531, 3336420, "EUR", true},
	{"CZ", "Czechia", "420", 10, czech, "Praha", 5008804, 1442076, "CZK", true},
	{"DE", "Germany", "49", 84, german, "Berlin", 5252437, 1341053, "EUR", true},
	{"DK", "Denmark", "45", 6, nordic, "København", 5567594, 1256553, "DKK", true},
	{"EE", "Estonia", "372", 1, baltic, "Tallinn", 5943696, 2475353, "EUR", true},
	{"EG", "Egypt", "20", 6, arabic, "Cairo", 3004442, 3123571, "EGP", false},
	{"ES", "Spain", "34", 48, hispanic, "Madrid", 4041678, -370379, "EUR", true},
	{"FI", "Finland", "358", 6, finnish, "Helsinki", 6016952, 2493545, "EUR", true},
	{"FR", "France", "33", 66, french, "Paris", 4885341, 234880, "EUR", true},
	{"GB", "United Kingdom", "44", 68, english, "London", 5150853, -12574, "GBP", true},
	{"GR", "Greece", "30", 10, greek, "Athina", 3798376, 2372784, "EUR", true},
	{"HR", "Croatia", "385", 4, southSlavic, "Zagreb", 4581444, 1597798, "EUR", true},
	{"HU", "Hungary", "36", 10, hungarian, "Budapest", 4749801, 1903991, "HUF", true},
	{"ID", "Indonesia", "62", 26, indonesian, "Jakarta", -621462, 10684513, "IDR", false},
	{"IE", "Ireland", "353", 5, irish, "Dublin", 5333306, -624889, "EUR", true},
	{"IL", "Israel", "972", 3, hebrew, "Tel Aviv", 3208088, 3478057, "ILS", false},
	{"IN", "India", "91", 30, indian, "Mumbai", 1907283, 7288261, "INR", false},
	{"IS", "Iceland", "354", 1, nordic, "Reykjavík", 6413548, -2189541, "ISK", true},
	{"IT", "Italy", "39", 59, italian, "Roma", 4189193, 1251133, "EUR", true},
	{"JP", "Japan", "81", 28, japanese, "Tokyo", 3568950, 13969171, "JPY", false},
	{"KE", "Kenya", "254", 2, african, "Nairobi", -128333, 3681667, "KES", false},
	{"KR", "Korea, Republic of", "82", 12, korean, "Seoul", 3756600, 12697840, "KRW", false},
	{"LI", "Liechtenstein", "423", 1, german, "Schaan", 4716498, 950867, "CHF", true},
	{"LT", "Lithuania", "370", 3, baltic, "Vilnius", 5468916, 2527980, "EUR", true},
	{"LU", "Luxembourg", "352", 1, french, "Luxembourg", 4961167, 613000, "EUR", true},
	{"LV", "Latvia", "371", 2, baltic, "Rīga", 5694600, 2410589, "EUR", true},
	{"MA", "Morocco", "212", 3, arabic, "Casablanca", 3358831, -761138, "MAD", false},
	{"MT", "Malta", "356", 1, italian, "Birkirkara", 3589722, 1446111, "EUR", true},
	{"MX", "Mexico", "52", 22, hispanic, "Ciudad de México", 1942847, -9912766, "MXN", false},
	{"MY", "Malaysia", "60", 8, indonesian, "Kuala Lumpur", 314120, 10168653, "MYR", false},
	{"NG", "Nigeria", "234", 5, african, "Lagos", 645407, 339467, "NGN", false},
	{"NL", "Netherlands", "31", 18, dutch, "Amsterdam", 5237403, 488969, "EUR", true},
	{"NO", "Norway", "47", 6, nordic, "Oslo", 5991273, 1074609, "NOK", true},
	{"NZ", "New Zealand", "64", 2, english, "Auckland", -3684853, 17476349, "NZD", false},
	{"PE", "Peru", "51", 7, hispanic, "Lima", -1204318, -7702824, "PEN", false},
	{"PH", "Philippines", "63", 14, hispanic, "Quezon City", 1463640, 12104890, "PHP", false},
	{"PL", "Poland", "48", 37, polish, "Warszawa", 5222977, 2101178, "PLN", true},
	{"PT", "Portugal", "351", 10, portuguese, "Lisboa", 3871667, -913333, "EUR", true},
	{"RO", "Romania", "40", 19, romanian, "București", 4443225, 2610626, "RON", true},
	{"SE", "Sweden", "46", 11, nordic, "Stockholm", 5932938, 1806871, "SEK", true},
	{"SG", "Singapore", "65", 2, chinese, "Singapore", 128967, 10385007, "SGD", false},
	{"SI", "Slovenia", "386", 2, southSlavic, "Ljubljana", 4605108, 1450513, "EUR", true},
	{"SK", "Slovakia", "421", 5, czech, "Bratislava", 4814816, 1710674, "EUR", true},
	{"TH", "Thailand", "66", 10, thai, "Bangkok", 1375398, 10050144, "THB", false},
	{"TR", "Türkiye", "90", 10, turkish, "İstanbul", 4101384, 2894966, "TRY", false},
	{"UA", "Ukraine", "380", 4, ukrainian, "Kyiv", 5045466, 3052380, "UAH", false},
	{"US", "United States", "1", 60, english, "New York", 4071427, -7400597, "USD", false},
	{"VN", "Viet Nam", "84", 12, vietnamese, "Hà Nội", 2102450, 10584117, "VND", false},
	{"ZA", "South Africa", "27", 3, african, "Johannesburg", -2620227, 2804363, "ZAR", false},
}

// weightSum is the sum of the weights; a test holds it to that.
const weightSum = 888

// countryAt is the index of the country that a number in [0, weightSum) falls to.
func countryAt(n int) int {
	for i := range countries {
		if n -= countries[i].weight; n < 0 {
			return i
		}
	}
	return len(countries) - 1
}
