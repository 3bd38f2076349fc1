package microversion

// Names of JSON types, as python-jsonschema calls them.
const (
	typeObject  = "object"
	typeArray   = "array"
	typeString  = "string"
	typeBoolean = "boolean"
	typeNull    = "null"
	typeInteger = "integer"
	typeNumber  = "number"
)

// typeOf names the type of a value; a number with no fraction is an integer.
func typeOf(raw []byte) string {
	switch raw[0] {
	case '{':
		return typeObject
	case '[':
		return typeArray
	case '"':
		return typeString
	case 't', 'f':
		return typeBoolean
	case 'n':
		return typeNull
	}
	if _, ok := integer(raw); ok {
		return typeInteger
	}
	return typeNumber
}
