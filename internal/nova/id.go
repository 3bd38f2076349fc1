package nova

import "github.com/google/uuid"

// IsUUID says whether s is a UUID of 36 characters, the form that all services write.
func IsUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}
