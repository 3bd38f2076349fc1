package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kilonova/kilonova/bench/cloud"
	"github.com/kilonova/kilonova/bench/limit"
)

// read measures the list of 1,000 servers in detail against encoding the same documents,
// and one server against a plain net/http answer of the same size.
func read(ctx context.Context, dir string) error {
	c, err := fresh(ctx, dir, 1)
	if err != nil {
		return err
	}
	image, flavor, err := c.Prepare(ctx)
	if err != nil {
		return err
	}
	ids, err := thousand(ctx, c, image, flavor)
	if err != nil {
		return err
	}
	if err := detail(ctx, c); err != nil {
		return err
	}
	if err := single(ctx, c, ids[0]); err != nil {
		return err
	}
	return c.Stop()
}

func thousand(ctx context.Context, c *cloud.Cloud, image, flavor string) ([]string, error) {
	ids := make([]string, 1000)
	errs := make([]error, 10)
	var wg sync.WaitGroup
	for w := range 10 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w * 100; i < (w+1)*100 && errs[w] == nil; i++ {
				if ids[i], errs[w] = c.Boot(ctx, fmt.Sprintf("read-%d", i), image, flavor, ""); errs[w] == nil {
					errs[w] = c.Await(ctx, ids[i], 10*time.Millisecond)
				}
			}
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func detail(ctx context.Context, c *cloud.Cloud) error {
	var list struct {
		Servers []map[string]any `json:"servers"`
	}
	body, _, err := c.Do(ctx, "GET", c.URL(cloud.Compute, "/v2.1/servers/detail"), nil, &list)
	if err != nil {
		return err
	}
	if len(list.Servers) != 1000 {
		return fmt.Errorf("%d servers in the list, want 1000", len(list.Servers))
	}
	typed, err := asStructs(body)
	if err != nil {
		return err
	}
	var took, marshal []time.Duration
	for range 60 {
		begun := time.Now()
		if _, err := json.Marshal(typed); err != nil {
			return err
		}
		marshal = append(marshal, time.Since(begun))
		begun = time.Now()
		if _, _, err := c.Do(ctx, "GET", c.URL(cloud.Compute, "/v2.1/servers/detail"), nil, nil); err != nil {
			return err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	slices.Sort(marshal)
	say("list of 1,000 servers in detail", fmt.Sprintf("p50 %s, p99 %s", ms(took[30]), ms(took[59])),
		fmt.Sprintf("%.2f × json.Marshal of the same (%s)", ratio(took[30], marshal[30]), ms(marshal[30])), "goal ≤ 1.5")
	return nil
}

// server has the fields of a server at the version that is asked, so that encoding/json is
// measured on structs and not on maps.
type server struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Status   string            `json:"status"`
	TenantID string            `json:"tenant_id"`
	UserID   string            `json:"user_id"`
	Metadata map[string]string `json:"metadata"`
	HostID   string            `json:"hostId"`
	Image    json.RawMessage   `json:"image"`
	Flavor   struct {
		VCPUs      int               `json:"vcpus"`
		RAM        int               `json:"ram"`
		Disk       int               `json:"disk"`
		Ephemeral  int               `json:"ephemeral"`
		Swap       int               `json:"swap"`
		Name       string            `json:"original_name"`
		ExtraSpecs map[string]string `json:"extra_specs"`
	} `json:"flavor"`
	Created     string                       `json:"created"`
	Updated     string                       `json:"updated"`
	Addresses   map[string][]map[string]any  `json:"addresses"`
	AccessIPv4  string                       `json:"accessIPv4"`
	AccessIPv6  string                       `json:"accessIPv6"`
	Links       []struct{ Rel, Href string } `json:"links"`
	DiskConfig  string                       `json:"OS-DCF:diskConfig"`
	Progress    int                          `json:"progress"`
	Zone        string                       `json:"OS-EXT-AZ:availability_zone"`
	ConfigDrive string                       `json:"config_drive"`
	KeyName     *string                      `json:"key_name"`
	Launched    *string                      `json:"OS-SRV-USG:launched_at"`
	Terminated  *string                      `json:"OS-SRV-USG:terminated_at"`
	Host        string                       `json:"OS-EXT-SRV-ATTR:host"`
	Instance    string                       `json:"OS-EXT-SRV-ATTR:instance_name"`
	Hypervisor  string                       `json:"OS-EXT-SRV-ATTR:hypervisor_hostname"`
	Reservation string                       `json:"OS-EXT-SRV-ATTR:reservation_id"`
	LaunchIndex int                          `json:"OS-EXT-SRV-ATTR:launch_index"`
	Hostname    string                       `json:"OS-EXT-SRV-ATTR:hostname"`
	Root        string                       `json:"OS-EXT-SRV-ATTR:root_device_name"`
	Kernel      string                       `json:"OS-EXT-SRV-ATTR:kernel_id"`
	Ramdisk     string                       `json:"OS-EXT-SRV-ATTR:ramdisk_id"`
	UserData    *string                      `json:"OS-EXT-SRV-ATTR:user_data"`
	Task        *string                      `json:"OS-EXT-STS:task_state"`
	VM          string                       `json:"OS-EXT-STS:vm_state"`
	Power       int                          `json:"OS-EXT-STS:power_state"`
	Volumes     []map[string]any             `json:"os-extended-volumes:volumes_attached"`
	Locked      bool                         `json:"locked"`
	Reason      *string                      `json:"locked_reason"`
	Description *string                      `json:"description"`
	Tags        []string                     `json:"tags"`
	Certs       []string                     `json:"trusted_image_certificates"`
	HostStatus  string                       `json:"host_status"`
	Groups      []map[string]string          `json:"security_groups,omitempty"`
}

func asStructs(body []byte) (any, error) {
	var list struct {
		Servers []server `json:"servers"`
	}
	err := json.Unmarshal(body, &list)
	return list, err
}

func single(ctx context.Context, c *cloud.Cloud, id string) error {
	url := c.URL(cloud.Compute, "/v2.1/servers/"+id)
	body, _, err := c.Do(ctx, "GET", url, nil, nil)
	if err != nil {
		return err
	}
	for _, clients := range []int{1, 8} {
		plain, err := limit.HTTP(ctx, echo(), clients, 0, len(body), *length)
		if err != nil {
			return err
		}
		ours, err := limit.Rate(clients, *length, func() error {
			_, _, err := c.Do(ctx, "GET", url, nil, nil)
			return err
		})
		if err != nil {
			return err
		}
		say(fmt.Sprintf("GET one server, %d clients", clients), fmt.Sprintf("%.0f/s", ours),
			fmt.Sprintf("1/%.2f of net/http with the same bytes (%.0f/s)", plain/ours, plain), "goal ≥ 1/3")
	}
	return nil
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
