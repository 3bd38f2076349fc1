package keypair

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// The object identifiers of a PKCS #12 file (RFC 7292).
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidKeyBag     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidCertBag    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidLocalKeyID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21}
	oidSHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

type content struct {
	Type  asn1.ObjectIdentifier
	Bytes []byte `asn1:"explicit,tag:0"`
}

type bag struct {
	ID         asn1.ObjectIdentifier
	Value      asn1.RawValue // explicit(…): the encoder knows no explicit tag for raw values
	Attributes []attribute   `asn1:"set"`
}

type attribute struct {
	ID     asn1.ObjectIdentifier
	Values [][]byte `asn1:"set"`
}

func explicit(der []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: der}
}

type macData struct {
	Mac struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	Salt       []byte
	Iterations int
}

type pfx struct {
	Version int
	Safe    content
	Mac     macData
}

const macRounds = 2048

// pkcs12 puts a key and its certificate into one file. There is no password to protect
// them by, so that nothing is enciphered; the checksum that readers ask for is made with
// the empty one.
func pkcs12(key *rsa.PrivateKey, cert []byte) ([]byte, error) {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certDER, err := asn1.Marshal(content{oidX509, cert})
	if err != nil {
		return nil, err
	}
	id := sha1.Sum(cert)
	pair := []attribute{{oidLocalKeyID, [][]byte{id[:]}}}
	var safes []content
	for _, b := range []bag{
		{oidCertBag, explicit(certDER), pair},
		{oidKeyBag, explicit(keyDER), pair},
	} {
		der, err := asn1.Marshal([]bag{b})
		if err != nil {
			return nil, err
		}
		safes = append(safes, content{oidData, der})
	}
	safe, err := asn1.Marshal(safes)
	if err != nil {
		return nil, err
	}
	f := pfx{Version: 3, Safe: content{oidData, safe}}
	f.Mac.Salt = make([]byte, 8)
	if _, err := rand.Read(f.Mac.Salt); err != nil {
		return nil, err
	}
	f.Mac.Iterations = macRounds
	f.Mac.Mac.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	mac := hmac.New(sha256.New, macKey(f.Mac.Salt))
	mac.Write(safe)
	f.Mac.Mac.Digest = mac.Sum(nil)
	return asn1.Marshal(f)
}

// macKey derives the key of the checksum from the empty password (RFC 7292, appendix B):
// one block of SHA-256 is all that it takes.
func macKey(salt []byte) []byte {
	const block = sha256.BlockSize
	fill := func(b []byte) []byte { return bytes.Repeat(b, block/len(b)+1)[:block] }
	in := append(fill([]byte{3}), fill(salt)...) // 3: this key is for integrity
	in = append(in, fill([]byte{0, 0})...)       // the empty password, with its end
	sum := sha256.Sum256(in)
	for range macRounds - 1 {
		sum = sha256.Sum256(sum[:])
	}
	return sum[:]
}
