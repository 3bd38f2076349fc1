// Package imagetest is the exam of the seam to images: what every driver must do.
//
// Layer 2: seam; a driver's test hands itself in.
package imagetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/nova"
)

// Subject is a driver on an empty service, and two people who use it.
type Subject struct {
	Store  image.Store
	Writer image.Writer
	// Owner and Stranger carry tokens of members of two projects.
	Owner, Stranger context.Context
}

// Exercise runs the exam. open gives a fresh subject.
func Exercise(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"an image comes back as it was made", roundTrip},
		{"what does not exist is not found", notFound},
		{"a stranger does not find a private image", strangers},
		{"an upload that breaks off can be repeated", brokenUpload},
		{"bytes that lie about their format are refused", lies},
		{"an image has its bytes once", once},
		{"a deleted image is gone at once", deleted},
		{"an id is taken once", duplicate},
		{"answers are the caller's own", ownAnswers},
		{"many ask at once", together},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func raw(name string) image.Image {
	return image.Image{ID: uuid.NewString(), Name: name, DiskFormat: "raw", ContainerFormat: "bare", Visibility: "private",
		MinDiskGiB: 1, MinRAMMiB: 64, Tags: []string{"red", "blue"},
		Properties: map[string]string{"hw_disk_bus": "virtio", "os_distro": "ünïx", "base_image_ref": ""}}
}

func data() []byte { return bytes.Repeat([]byte("a disk of sixteen"), 100_000) }

func made(t *testing.T, s Subject, bytesToo bool) image.Image {
	t.Helper()
	img, err := s.Writer.Create(s.Owner, raw("made"))
	if err != nil {
		t.Fatal(err)
	}
	if bytesToo {
		if err := s.Writer.Upload(s.Owner, img.ID, bytes.NewReader(data())); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

func wantKind(t *testing.T, err error, k nova.Kind, doing string) {
	t.Helper()
	if err == nil || nova.KindOf(err) != k {
		t.Fatalf("%s: %v; want an error of kind %s", doing, err, k)
	}
}

func roundTrip(t *testing.T, s Subject) {
	want := raw("round trip")
	img, err := s.Writer.Create(s.Owner, want)
	if err != nil {
		t.Fatal(err)
	}
	if img.ID != want.ID || img.Status != "queued" {
		t.Fatalf("made %+v", img)
	}
	if _, err := s.Store.Open(s.Owner, img.ID); err == nil {
		t.Fatal("an image without bytes was opened")
	} else {
		wantKind(t, err, nova.Conflict, "open an image without bytes")
	}
	if err := s.Writer.Upload(s.Owner, img.ID, bytes.NewReader(data())); err != nil {
		t.Fatal(err)
	}
	got, err := s.Store.Show(s.Owner, img.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != "active" || got.Size != int64(len(data())) || got.Name != want.Name || got.DiskFormat != "raw" ||
		got.ContainerFormat != "bare" || got.MinDiskGiB != 1 || got.MinRAMMiB != 64 || len(got.Tags) != 2 ||
		got.Visibility != "private" || got.Owner == "" || got.HashAlgo == "" || got.HashValue == "" || got.CreatedAt.IsZero() {
		t.Fatalf("shown %+v", got)
	}
	if len(got.Properties) != len(want.Properties) || got.Properties["os_distro"] != "ünïx" {
		t.Fatalf("properties %v; want %v", got.Properties, want.Properties)
	}
	r, err := s.Store.Open(s.Owner, img.ID)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(b, data()) {
		t.Fatalf("%d bytes came back, %v", len(b), err)
	}
}

func notFound(t *testing.T, s Subject) {
	for _, id := range []string{uuid.NewString(), "", "x", "../../etc/passwd", "..", "a/b", "%2e%2e", "\x00"} {
		_, err := s.Store.Show(s.Owner, id)
		wantKind(t, err, nova.NotFound, "show "+id)
		_, err = s.Store.Open(s.Owner, id)
		wantKind(t, err, nova.NotFound, "open "+id)
		wantKind(t, s.Writer.Upload(s.Owner, id, bytes.NewReader(nil)), nova.NotFound, "upload "+id)
		wantKind(t, s.Writer.Delete(s.Owner, id), nova.NotFound, "delete "+id)
	}
}

func strangers(t *testing.T, s Subject) {
	img := made(t, s, true)
	if _, err := s.Store.Show(s.Owner, img.ID); err != nil {
		t.Fatal(err)
	}
	_, err := s.Store.Show(s.Stranger, img.ID)
	wantKind(t, err, nova.NotFound, "show")
	_, err = s.Store.Open(s.Stranger, img.ID)
	wantKind(t, err, nova.NotFound, "open")
	wantKind(t, s.Writer.Delete(s.Stranger, img.ID), nova.NotFound, "delete")
}

var errBroken = errors.New("the source broke")

func brokenUpload(t *testing.T, s Subject) {
	img := made(t, s, false)
	r := io.MultiReader(bytes.NewReader(data()), reader(func([]byte) (int, error) { return 0, errBroken }))
	if err := s.Writer.Upload(s.Owner, img.ID, r); err == nil {
		t.Fatal("a broken upload succeeded")
	}
	var err error
	for range 200 { // the server may notice later than we do
		if err = s.Writer.Upload(s.Owner, img.ID, bytes.NewReader(data())); !nova.IsConflict(err) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Store.Show(s.Owner, img.ID); err != nil || got.Status != "active" {
		t.Fatalf("%+v, %v", got, err)
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func lies(t *testing.T, s Subject) {
	img := made(t, s, false)
	h := make([]byte, 4096)
	copy(h, "QFI\xfb")
	binary.BigEndian.PutUint32(h[4:], 3)
	wantKind(t, s.Writer.Upload(s.Owner, img.ID, bytes.NewReader(h)), nova.Invalid, "upload a qcow2 as raw")
	if got, err := s.Store.Show(s.Owner, img.ID); err == nil && got.Status == "active" {
		t.Fatalf("%+v", got)
	}
}

func once(t *testing.T, s Subject) {
	img := made(t, s, true)
	wantKind(t, s.Writer.Upload(s.Owner, img.ID, bytes.NewReader(data())), nova.Conflict, "upload again")
}

func deleted(t *testing.T, s Subject) {
	img := made(t, s, true)
	if _, err := s.Store.Show(s.Owner, img.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Writer.Delete(s.Owner, img.ID); err != nil {
		t.Fatal(err)
	}
	_, err := s.Store.Show(s.Owner, img.ID)
	wantKind(t, err, nova.NotFound, "show")
	wantKind(t, s.Writer.Delete(s.Owner, img.ID), nova.NotFound, "delete again")
}

func duplicate(t *testing.T, s Subject) {
	img := made(t, s, false)
	again := raw("again")
	again.ID = img.ID
	_, err := s.Writer.Create(s.Owner, again)
	wantKind(t, err, nova.Conflict, "create with an id that is taken")
}

func ownAnswers(t *testing.T, s Subject) {
	img := made(t, s, true)
	a, err := s.Store.Show(s.Owner, img.ID)
	if err != nil {
		t.Fatal(err)
	}
	a.Properties["hw_disk_bus"], a.Tags[0] = "spoilt", "spoilt"
	b, err := s.Store.Show(s.Owner, img.ID)
	if err != nil || b.Properties["hw_disk_bus"] != "virtio" || b.Tags[0] == "spoilt" {
		t.Fatalf("%+v, %v", b, err)
	}
}

func together(t *testing.T, s Subject) {
	img := made(t, s, true)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got, err := s.Store.Show(s.Owner, img.ID); err != nil || got.ID != img.ID {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wg.Wait()
}
