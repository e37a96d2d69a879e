// Package catalog reads the file in which an organisation says what personal
// data it holds: which zones exist and whose residents they keep, which store
// stands at which site, and, for every dataset, which table holds the data
// subject, how each other table hangs on that subject, and what kind of thing
// each column is. Everything else in Trefoil that speaks of data (lenses,
// policy, residency) speaks in the words of this file.
//
//	zones:
//	  eu:
//	    residents: [DE, IE, NO]
//	    authorities:
//	      - { name: EDPB, countries: [DE, IE, NO] }
//	    sites:
//	      dublin-1: { country: IE, store: dublin-1 }
//	datasets:
//	  clips:
//	    zone: eu
//	    sites: [dublin-1]
//	    tables:
//	      users:
//	        subject: id                      # the key of the data subject
//	        home: country                    # the column with the home country, or table.column
//	        columns:
//	          id: subject
//	          email: contact/email           # category/mask
//	          country: residence
//	      devices:
//	        child: user_id -> users          # one path to the subject
//	        columns: { id: key, user_id: subject, last_ip: network }
//	      messages:
//	        between: [sender_id -> users, recipient_id -> users]
//	        columns: { id: key, sender_id: subject, recipient_id: subject, body: content }
//	      addresses:
//	        via: users.address_id -> id      # reached from the subject
//	        columns: { id: key, street: contact/hide }
//	      countries:
//	        reference: true                  # no personal data
//	        columns: { code: reference, name: reference }
//
// A column that is not listed exists in no lens. The file holds no password and
// no address of a store: a site names its store, and the configuration of the
// server that stands beside the store says how to reach it.
//
// Reading is strict, because a typing error here decides who sees what: unknown
// keys, duplicates, anchors and aliases are refused, and every error names file
// and line. The package is pure; whether a live store agrees with the file is
// asked by package lens.
package catalog
