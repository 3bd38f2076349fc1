package microversion_test

import (
	"encoding/json"
	"testing"

	mv "github.com/kilonova/kilonova/internal/api/microversion"
)

func (*networks) SchemaMV(v mv.V) mv.Schema {
	list := mv.Schema{"type": "array", "items": mv.RequestSchema(v, network{})}
	if v.Before(37) {
		return list
	}
	return mv.Schema{"oneOf": []mv.Schema{list, {"type": "string", "enum": []string{"none", "auto"}}}}
}

func TestSchemasComeFromTheSameTags(t *testing.T) {
	type small struct {
		Name  string   `json:"name" req:"1" format:"name" min:"1" max:"255"`
		Text  *string  `json:"description" mv:"19-" null:"1" max:"255" enum:"a|b@50-"`
		Count *int     `json:"count" req:"30-" min:"1"`
		IDs   []string `json:"ids" format:"uuid" maxItems:"2" unique:"1"`
		Self  *view    `json:"self" mv:"104-"`
	}
	for _, c := range []struct {
		name string
		s    mv.Schema
		want string
	}{
		{"old request", mv.RequestSchema(18, small{}), `{"additionalProperties":false,"properties":{"count":{"minimum":1,"pattern":"^[0-9]+$","type":["integer","string"]},` +
			`"ids":{"items":{"format":"uuid","type":"string"},"maxItems":2,"type":"array","uniqueItems":true},` +
			`"name":{"format":"name","maxLength":255,"minLength":1,"type":"string"}},"required":["name"],"type":"object"}`},
		{"new request", mv.RequestSchema(49, small{})["properties"].(map[string]mv.Schema)["description"],
			`{"enum":["a",null],"maxLength":255,"type":["string","null"]}`},
		{"answer", mv.AnswerSchema(3, view{}), `{"additionalProperties":false,"properties":{"created":{"format":"date-time","type":["string","null"]},"factor":{"type":"number"},` +
			`"fault":{},"flavor":{"additionalProperties":false,"properties":{"id":{"type":"string"},"links":{"items":{"additionalProperties":false,"properties":` +
			`{"href":{"type":"string"},"rel":{"type":"string"}},"required":["rel","href"],"type":"object"},"type":"array"}},"required":["id","links"],"type":"object"},"free":{},` +
			`"host":{"type":["string","null"]},"hostname":{"type":"string"},"id":{"type":"string"},"kids":{"items":{"type":"object"},"type":"array"},"name":{"type":"string"},` +
			`"power":{},"updated":{"type":["string","null"]}},"required":["id","created","name","flavor","updated","power"],"type":"object"}`},
	} {
		got, err := json.Marshal(c.s)
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s\nwant %s\n%v", c.name, got, c.want, err)
		}
	}
	for v := mv.Legacy; v <= mv.Max; v++ {
		if _, err := json.Marshal(mv.RequestSchema(v, createServer{})); err != nil {
			t.Error(err)
		}
	}
}
