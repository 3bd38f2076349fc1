package virttest

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"io"
	"time"

	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/nova"
)

// ImageID names the exam's image.
const ImageID = "5d1b0a3e-7c55-4a8e-9b13-0d6f2f8c1e01"

// Greeting is what a guest of the exam's image writes on its serial console.
const Greeting = "Hello from the exam's guest."

// program is a boot sector, for a PC with a BIOS: it writes the text behind it on the
// first serial port and rests.
var program = []byte{
	0xfa,       // cli
	0x31, 0xc0, // xor ax, ax
	0x8e, 0xd8, // mov ds, ax
	0xbe, 0x1c, 0x7c, // mov si, text
	0xac,       // next: lodsb
	0x84, 0xc0, // test al, al
	0x74, 0x0c, // jz rest
	0x88, 0xc4, // mov ah, al
	0xba, 0xf8, 0x03, // mov dx, 3f8h
	0x88, 0xe0, // mov al, ah
	0xee,       // out dx, al
	0xeb, 0xf1, // jmp next
	0x90, 0x90, // nop, nop
	0xf4,       // rest: hlt
	0xeb, 0xfd, // jmp rest
}

// Bytes is the exam's image: a raw disk of 1 MiB.
func Bytes() []byte {
	disk := make([]byte, 1<<20)
	at := copy(disk, program)
	copy(disk[at:], Greeting+"\r\n")
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}

// Images is an image store that holds the exam's image, and more that a test adds.
type Images struct {
	More   map[string][]byte // raw images by id
	Opened func(id string)   // told each Open; may be nil
}

func (i Images) find(id string) ([]byte, error) {
	if id == ImageID {
		return Bytes(), nil
	}
	if b, ok := i.More[id]; ok {
		return b, nil
	}
	return nil, nova.Errorf(nova.NotFound, "Image %s could not be found.", id)
}

// Show describes an image.
func (i Images) Show(_ context.Context, id string) (image.Image, error) {
	b, err := i.find(id)
	if err != nil {
		return image.Image{}, err
	}
	return image.Image{ID: id, Name: "exam", Status: "active", DiskFormat: "raw", ContainerFormat: "bare",
		Size: int64(len(b)), HashAlgo: "sha512", HashValue: Sum(b), CreatedAt: time.Unix(1, 0).UTC()}, nil
}

// Open streams an image.
func (i Images) Open(_ context.Context, id string) (io.ReadCloser, error) {
	if i.Opened != nil {
		i.Opened(id)
	}
	b, err := i.find(id)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// Sum is the sha512 of b, as image.Image.HashValue has it.
func Sum(b []byte) string {
	sum := sha512.Sum512(b)
	return hex.EncodeToString(sum[:])
}
