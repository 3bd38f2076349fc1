package placement

import (
	"github.com/kilonova/kilonova/internal/api/placement/schema"
	"github.com/kilonova/kilonova/internal/nova"
)

// judged reads the body by a schema. The bodies of inventories and allocations have keys
// that are data, and shapes that change with the version; they are described as Placement
// describes them rather than by tags.
func (q *Request) judged(s *schema.Schema) (map[string]any, error) {
	b, err := q.Body()
	if err != nil {
		return nil, err
	}
	return judge(s, b)
}

func judge(s *schema.Schema, body []byte) (map[string]any, error) {
	v, err := schema.Parse(body)
	if err != nil {
		return nil, nova.Errorf(nova.Invalid, "Malformed JSON: %v", err)
	}
	if err := s.Check(v); err != nil {
		return nil, nova.Errorf(nova.Invalid, "JSON does not validate: %v", err)
	}
	m, _ := v.(map[string]any)
	return m, nil
}
