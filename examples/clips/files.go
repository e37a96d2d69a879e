// Package clips holds the example rules of clips, a fictional short-video
// platform: catalogue, policy, duties, staff directory and countries. The demo
// publishes them; a first zone of one's own can start from a copy.
package clips

import "embed"

// Files are the example's rules, by base name.
//
//go:embed catalog.yaml rules.cedar duties.cedar directory.yaml countries.yaml
var Files embed.FS
