package sqldb

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// words are what a migration writes instead of a type, so that one text serves three
// databases.
var words = map[Dialect]*strings.Replacer{
	SQLite: strings.NewReplacer(
		"{{key}}", "TEXT", "{{text}}", "TEXT", "{{blob}}", "BLOB", "{{int}}", "INTEGER",
		"{{serial}}", "INTEGER PRIMARY KEY AUTOINCREMENT", "{{float}}", "REAL", "{{table}}", ""),
	Postgres: strings.NewReplacer(
		"{{key}}", "VARCHAR(255) COLLATE \"C\"", "{{text}}", "TEXT", "{{blob}}", "BYTEA", "{{int}}", "BIGINT",
		"{{serial}}", "BIGSERIAL PRIMARY KEY", "{{float}}", "DOUBLE PRECISION", "{{table}}", ""),
	MySQL: strings.NewReplacer(
		// Bytes, since every collation that MariaDB and MySQL share takes "a" and "a " for one.
		"{{key}}", "VARBINARY(1020)", "{{text}}", "LONGTEXT", "{{blob}}", "LONGBLOB", "{{int}}", "BIGINT",
		"{{serial}}", "BIGINT AUTO_INCREMENT PRIMARY KEY", "{{float}}", "DOUBLE",
		"{{table}}", " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"),
}

// migration is one file of a schema, in the words of a dialect.
type migration struct {
	version    int64
	name       string
	statements []string
}

// migrations reads the .sql files at the root of files, by their numbers.
func migrations(files fs.FS, d Dialect) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	out := make([]migration, 0, len(names))
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version <= 0 {
			return nil, fmt.Errorf("%s: its name does not begin with a number and \"_\"", name)
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(b), "+goose Down") {
			return nil, fmt.Errorf("%s: schemas only go forward; take the part behind \"+goose Down\" away", name)
		}
		out = append(out, migration{version, name, cut(words[d].Replace(string(b)))})
	}
	slices.SortFunc(out, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	for i := 1; i < len(out); i++ {
		if out[i].version == out[i-1].version {
			return nil, fmt.Errorf("%s and %s have one number", out[i-1].name, out[i].name)
		}
	}
	return out, nil
}

// cut is the statements of a text, without its comments.
func cut(text string) []string {
	var out []string
	var now strings.Builder
	end := func() {
		if s := strings.TrimSpace(now.String()); s != "" {
			out = append(out, s)
		}
		now.Reset()
	}
	var quote byte
	for i := range len(text) {
		quote = within(quote, text, i)
		switch {
		case quote == '\n':
		case quote == 0 && text[i] == ';':
			end()
		default:
			now.WriteByte(text[i])
		}
	}
	end()
	return out
}

// within is what ends the quoted text, quoted name or comment that the byte at i stands in;
// 0 outside of them. quote is the same for the byte before.
func within(quote byte, text string, i int) byte {
	switch c := text[i]; {
	case quote == c:
		return 0
	case quote != 0:
		return quote
	case c == '\'' || c == '"':
		return c
	case strings.HasPrefix(text[i:], "--"):
		return '\n'
	}
	return 0
}
