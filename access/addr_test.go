package access_test

import "net/netip"

var (
	from         netip.Addr // none yet
	dublin       = netip.MustParseAddr("127.1.0.1")
	thirdCountry = netip.MustParseAddr("127.9.0.1")
)
