package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line of a file.
const maxLine = 256 << 10

// lines reads a file with a JSON object on each line.
type lines struct {
	name string // the file's
	scan *bufio.Scanner
	at   int // the line that was read last
}

func newLines(name string, r io.Reader) *lines {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return &lines{name: name, scan: s}
}

// next decodes the next line that is not empty; io.EOF at the end.
func (l *lines) next(to any) error {
	for l.scan.Scan() {
		l.at++
		b := bytes.TrimSpace(l.scan.Bytes())
		if len(b) == 0 {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if err := dec.Decode(to); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the JSON object has no end")
			}
			return l.wrong(err)
		}
		if dec.More() {
			return l.wrong(errors.New("there is something after the JSON object"))
		}
		return nil
	}
	err := l.scan.Err()
	switch {
	case err == nil:
		return io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		err = fmt.Errorf("it is longer than %d bytes", maxLine)
	}
	l.at++
	return l.wrong(err)
}

// here is where the line is that was read last.
func (l *lines) here() string { return fmt.Sprintf("%s, line %d", l.name, l.at) }

// wrong says where an error is.
func (l *lines) wrong(err error) error { return fmt.Errorf("%s: %w", l.here(), err) }
