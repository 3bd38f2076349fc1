package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a policy file; Nova's complete sample has 120 kB.
const maxFile = 1 << 20

// Load reads overrides from files, YAML or JSON; of a directory, every file in it by name.
// A later one wins, and one that does not exist holds nothing. After an error the rules
// are what they were. Reload reads the same paths again.
func (e *Enforcer) Load(paths ...string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paths = slices.Clone(paths)
	_, err := e.read(true)
	return err
}

// Reload reads the files again if one of them came, went or changed since, and says
// whether it did. Call it every few seconds, or on SIGHUP.
func (e *Enforcer) Reload() (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.read(false)
}

func (e *Enforcer) read(always bool) (bool, error) {
	files, stamp, err := listFiles(e.paths)
	if err != nil || !always && stamp == e.stamp {
		return false, err
	}
	e.stamp = stamp // a bad file is told once, not at every look
	overrides := make(map[string]*node)
	for _, path := range files {
		if err := readFile(path, overrides); err != nil {
			return false, fmt.Errorf("policy file %s: %w", path, err)
		}
	}
	if err := e.install(overrides); err != nil {
		return false, err
	}
	e.options.Log.Info("policy loaded", "files", len(files), "overrides", len(overrides))
	return true, nil
}

// listFiles expands directories, and stamps what it finds with times and sizes.
func listFiles(paths []string) (files []string, stamp string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		list := []string{path}
		if info.IsDir() {
			if list, err = filesIn(path); err != nil {
				return nil, "", err
			}
		}
		files = append(files, list...)
	}
	var b strings.Builder
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(&b, "%s %d %d\n", path, info.ModTime().UnixNano(), info.Size())
	}
	return files, b.String(), nil
}

func filesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var list []string
	for _, entry := range entries {
		if !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			list = append(list, filepath.Join(dir, entry.Name()))
		}
	}
	return list, err
}

func readFile(path string, into map[string]*node) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	return parseFile(data, into)
}

// parseFile reads a document that maps names to checks. JSON is YAML too.
func parseFile(data []byte, into map[string]*node) error {
	if len(data) > maxFile {
		return fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		n, err := parseAny(doc[name])
		if err != nil {
			return fmt.Errorf("rule %s: %w", name, err)
		}
		into[name] = n
	}
	return nil
}

func parseAny(x any) (*node, error) {
	switch x := x.(type) {
	case string:
		return parse(x)
	case []any:
		return parseList(x)
	}
	return nil, fmt.Errorf("%v is neither a string nor a list", x)
}
