package target

import (
	"context"
	"strings"
	"testing"
)

func TestModulesStartBehindWhatTheyNeed(t *testing.T) {
	for _, m := range modules {
		order, err := plan(m.name, modules)
		if err != nil {
			t.Fatal(err)
		}
		started := map[string]bool{}
		for _, o := range order {
			for _, n := range o.needs {
				if !started[n] {
					t.Errorf("target %s: %s starts before %s, which it needs", m.name, o.name, n)
				}
			}
			started[o.name] = true
		}
	}
}

func TestAWrongTableIsRefused(t *testing.T) {
	none := func(context.Context, *Cloud) error { return nil }
	circle := []module{{"a", needs("b"), none}, {"b", needs("a"), none}}
	if _, err := plan("a", circle); err == nil || !strings.Contains(err.Error(), "a → b → a") {
		t.Errorf("a circle gives %v", err)
	}
	if _, err := plan("c", circle); err == nil {
		t.Error("a module that is not there is planned")
	}
}

func TestAStateDirectoryIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	one, two := &Cloud{opt: Options{StateDir: dir}}, &Cloud{opt: Options{StateDir: dir}}
	for _, c := range []*Cloud{one, two} {
		c.ctx, c.cancel = context.WithCancelCause(t.Context())
	}
	if err := openState(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if err := openState(t.Context(), two); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("a second process gets %v", err)
	}
	first := one.state.secrets
	if err := one.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := openState(t.Context(), two); err != nil || two.state.secrets != first {
		t.Fatalf("after the first ended: %v, same secrets: %v", err, two.state.secrets == first)
	}
	_ = two.Stop()
}
