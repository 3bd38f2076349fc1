package realise

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

func signature(secret, id string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(id))
	return hex.EncodeToString(m.Sum(nil))
}
