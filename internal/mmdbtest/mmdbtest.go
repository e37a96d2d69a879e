// Package mmdbtest makes country databases for tests, with the library of those
// who defined the format.
package mmdbtest

import (
	"bytes"
	"net"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Make gives the bytes of a database that says which range is in which country.
// Each range also says that it is registered in XX, as real ones do: who asks for
// that gets the wrong answer. The same ranges give the same bytes.
func Make(ranges map[string]string) ([]byte, error) {
	tree, err := mmdbwriter.New(mmdbwriter.Options{BuildEpoch: 1, DatabaseType: "Test-Country", Description: map[string]string{"en": "countries for a test"}, IncludeReservedNetworks: true})
	if err != nil {
		return nil, err
	}
	for cidr, country := range ranges {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			return nil, err
		}
		err = tree.Insert(network, mmdbtype.Map{
			"country":            mmdbtype.Map{"iso_code": mmdbtype.String(country)},
			"registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("XX")},
		})
		if err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	_, err = tree.WriteTo(&out)
	return out.Bytes(), err
}
