package metadata

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// The headers that a proxy sends, spelled as net/http keeps them.
const (
	headerInstance          = "X-Instance-Id"
	headerSignature         = "X-Instance-Id-Signature"
	headerTenant            = "X-Tenant-Id"
	headerForwarded         = "X-Forwarded-For"
	headerProvider          = "X-Metadata-Provider"
	headerProviderSignature = "X-Metadata-Provider-Signature"
)

// identify finds out which server asks, and from which address.
func (s *Service) identify(r *http.Request) (network.Owner, string, error) {
	switch {
	case !s.cfg.Proxy:
		return s.byAddress(r)
	case r.Header.Get(headerProvider) != "":
		return s.byProvider(r)
	}
	return s.bySignature(r)
}

// wanted are the headers of a signed request, in the order in which their absence is told,
// with the names that it is told by.
var wanted = [...]struct{ key, name string }{
	{headerInstance, "X-Instance-ID"}, {headerSignature, "X-Instance-ID-Signature"}, {headerTenant, "X-Tenant-ID"},
}

// bySignature believes a proxy that knows the secret.
func (s *Service) bySignature(r *http.Request) (network.Owner, string, error) {
	for _, h := range wanted {
		switch len(r.Header[h.key]) {
		case 0:
			return network.Owner{}, "", nova.Errorf(nova.Invalid, "%s header is missing from request.", h.name)
		case 1:
		default:
			return network.Owner{}, "", nova.Errorf(nova.Invalid, "Multiple %s headers found within request.", h.name)
		}
	}
	id := r.Header[headerInstance][0]
	if !s.signed(id, r.Header[headerSignature][0]) {
		s.cfg.Log.Warn("metadata: the signature is not the proxy's", "remote", r.RemoteAddr, "server", id)
		return network.Owner{}, "", errSignature
	}
	return known(network.Owner{ServerID: id, ProjectID: r.Header[headerTenant][0]}, address(r.Header.Get(headerForwarded)))
}

// known refuses ids that no server can have before anybody looks for them.
func known(who network.Owner, address string) (network.Owner, string, error) {
	if _, err := uuid.Parse(who.ServerID); err != nil || len(who.ServerID) != 36 {
		return network.Owner{}, "", errNotFound
	}
	return who, address, nil
}

// signed compares in constant time.
func (s *Service) signed(text, signature string) bool {
	mac := hmac.New(sha256.New, s.cfg.Secret)
	_, _ = mac.Write([]byte(text))
	var sum [sha256.Size]byte
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], mac.Sum(sum[:0]))
	return hmac.Equal(want[:], []byte(signature))
}

// address is the first of a list of addresses, if it is one: the guest's, as the proxy saw
// it.
func address(list string) string {
	first, _, _ := strings.Cut(list, ",")
	a, err := netip.ParseAddr(strings.TrimSpace(first))
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// byProvider believes a load balancer that knows the secret about the address that asks.
func (s *Service) byProvider(r *http.Request) (network.Owner, string, error) {
	forwarded := r.Header.Get(headerForwarded)
	if forwarded == "" {
		return network.Owner{}, "", nova.Errorf(nova.Invalid, "X-Forwarded-For is missing from request.")
	}
	provider := r.Header.Get(headerProvider)
	if len(r.Header[headerProvider]) > 1 {
		return network.Owner{}, "", nova.Errorf(nova.Invalid, "Multiple X-Metadata-Provider headers found within request.")
	}
	if !s.signed(provider, r.Header.Get(headerProviderSignature)) {
		s.cfg.Log.Warn("metadata: the signature is not the provider's", "remote", r.RemoteAddr, "provider", provider)
		return network.Owner{}, "", errSignature
	}
	from := address(forwarded)
	if from == "" {
		return network.Owner{}, "", nova.Errorf(nova.Invalid, "X-Forwarded-For is not an address.")
	}
	owners, err := s.owners(r.Context(), from, provider)
	if err != nil {
		return network.Owner{}, "", err
	}
	if len(owners) != 1 {
		return network.Owner{}, "", nova.Errorf(nova.Invalid, "Expected a single port matching provider %s and IP %s. Found %d.", provider, from, len(owners))
	}
	return known(owners[0], from)
}

// byAddress believes the connection.
func (s *Service) byAddress(r *http.Request) (network.Owner, string, error) {
	if r.Header.Get(headerInstance) != "" {
		s.cfg.Log.Warn("metadata: X-Instance-ID counts only with [neutron] service_metadata_proxy", "remote", r.RemoteAddr)
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return network.Owner{}, "", errNotFound
	}
	from := remote.Addr().Unmap().WithZone("").String()
	owners, err := s.owners(r.Context(), from, "")
	if err != nil {
		return network.Owner{}, "", err
	}
	if len(owners) != 1 {
		s.cfg.Log.Warn("metadata: the address is not one server's", "remote", from, "servers", len(owners))
		return network.Owner{}, "", errNotFound
	}
	return known(owners[0], from)
}

// owners asks the network, and remembers an answer that names one server.
func (s *Service) owners(ctx context.Context, address, provider string) ([]network.Owner, error) {
	key := provider + " " + address
	if who, ok := s.asked.get(key); ok {
		return []network.Owner{who}, nil
	}
	if s.cfg.Finder == nil {
		return nil, nil
	}
	owners, err := s.cfg.Finder.Owners(ctx, address, provider)
	if nova.KindOf(err) == nova.Invalid && provider != "" {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("whose address %s is: %w", address, err)
	}
	if len(owners) == 1 {
		s.asked.put(key, owners[0])
	}
	return owners, nil
}
