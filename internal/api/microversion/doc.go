// Package microversion lets the rest of the project know one shape of everything: the
// newest. A request or an answer is a struct whose tags say since and until when a key
// exists; this package reads and writes it as any version from 2.1 to 2.104.
//
//	type Server struct {
//		ID     string   `json:"id"`
//		Locked bool     `json:"locked" mv:"9-"`
//		Host   string   `json:"OS-EXT-SRV-ATTR:host" show:"server-attributes"`
//		Tags   []string `json:"tags" mv:"26-"`
//	}
//
// Tags of both directions:
//
//	json:"name,omitempty"  the key; json:",rest" (request, map[string]json.RawMessage) takes unknown keys
//	mv:"26-"  mv:"-87"  mv:"36-51"  mv:"32-36,42-"   the versions that have the key; absent is all
//
// Two fields may bear one key when their ranges do not meet: that is how a shape that
// changed is written. The older bears the tag key instead of json, because go vet
// refuses a json tag twice:
//
//	FlavorLink Link   `key:"flavor" mv:"-46"`
//	Flavor     Flavor `json:"flavor" mv:"47-"`
//
// A type that must decide more by itself is an Appender or a Decoder.
//
// Tags of answers:
//
//	show:"host-status"  shown only when the caller passes that Show flag; "x@3-89" limits the condition to a range
//	time:"micro"        2012-10-29T13:42:11.000000 instead of 2012-10-29T13:42:11Z
//
// Tags of requests, which are the schema too:
//
//	req:"1"  req:"37-"         required, always or in a range
//	null:"1"                   null is accepted and leaves the zero value (Opt tells it apart)
//	strict:"1"                 no numbers in strings, no "yes" for true
//	accept:"integer|number"    a string field also takes a number and keeps its digits
//	min:"1" max:"255"          length of a string, value of a number
//	pattern:"^[a-z]+$" format:"uuid" enum:"a|b|c@51-"
//	minItems maxItems unique:"1" one:"1"    lists; one is at most one value of a query key
//	keys:"^[a-z]{1,255}$" minKeys maxKeys   maps
//	_ struct{} `strict:"75-" allow:"^_"`    of the struct: versions in which unknown keys are refused (body: all
//	                                        when absent, query: none), and keys that always pass
//
// On a slice or map of scalars the scalar tags hold for the elements.
//
// Refusals are in the words that Nova's clients know, python-jsonschema's included; of
// several problems the outermost is told, as there.
//
// Layer 4: edge; talks to words and mechanisms.
package microversion
