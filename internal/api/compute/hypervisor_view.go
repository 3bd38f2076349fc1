package compute

import (
	"encoding/json"
	"net/http"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/service"
)

// hypervisorView is a hypervisor: the first keys everywhere, the rest in long answers.
type hypervisorView struct {
	Num               int64               `key:"id" mv:"-52"`
	ID                string              `json:"id" mv:"53-"`
	Hostname          string              `json:"hypervisor_hostname"`
	State             string              `json:"state"`
	Status            string              `json:"status"`
	Servers           *[]serverOnHost     `json:"servers,omitempty"`
	Type              string              `json:"hypervisor_type" show:"detail"`
	Version           int64               `json:"hypervisor_version" show:"detail"`
	HostIP            *string             `json:"host_ip" show:"detail"`
	Service           serviceOfHypervisor `json:"service" show:"detail"`
	CPUText           string              `key:"cpu_info" mv:"-27" show:"detail"`
	CPUInfo           json.RawMessage     `json:"cpu_info" mv:"28-87" show:"detail"`
	hypervisorNumbers `mv:"-87"`
	Uptime            *string `json:"uptime" mv:"88-" show:"detail"`
}

// hypervisorNumbers are what 2.88 left to Placement.
type hypervisorNumbers struct {
	VCPUs      int64 `json:"vcpus" show:"detail"`
	VCPUsUsed  int64 `json:"vcpus_used" show:"detail"`
	Memory     int64 `json:"memory_mb" show:"detail"`
	MemoryUsed int64 `json:"memory_mb_used" show:"detail"`
	MemoryFree int64 `json:"free_ram_mb" show:"detail"`
	Disk       int64 `json:"local_gb" show:"detail"`
	DiskUsed   int64 `json:"local_gb_used" show:"detail"`
	DiskFree   int64 `json:"free_disk_gb" show:"detail"`
	DiskLeast  int64 `json:"disk_available_least" show:"detail"`
	Workload   int64 `json:"current_workload" show:"detail"`
	RunningVMs int64 `json:"running_vms" show:"detail"`
}

func (n *hypervisorNumbers) add(o hypervisorNumbers) {
	n.VCPUs += o.VCPUs
	n.VCPUsUsed += o.VCPUsUsed
	n.Memory += o.Memory
	n.MemoryUsed += o.MemoryUsed
	n.MemoryFree += o.MemoryFree
	n.Disk += o.Disk
	n.DiskUsed += o.DiskUsed
	n.DiskFree += o.DiskFree
	n.DiskLeast += o.DiskLeast
	n.Workload += o.Workload
	n.RunningVMs += o.RunningVMs
}

func numbersOf(h *service.Hypervisor) hypervisorNumbers {
	return hypervisorNumbers{
		VCPUs: h.VCPUs.Total, VCPUsUsed: h.VCPUs.Used,
		Memory: h.Memory.Total, MemoryUsed: h.Memory.Used, MemoryFree: h.Memory.Free(),
		Disk: h.Disk.Total, DiskUsed: h.Disk.Used, DiskFree: h.Disk.Free(), DiskLeast: h.DiskLeastGiB,
		Workload: h.Busy, RunningVMs: h.Servers,
	}
}

type serviceOfHypervisor struct {
	Num            int64   `key:"id" mv:"-52"`
	ID             string  `json:"id" mv:"53-"`
	Host           string  `json:"host"`
	DisabledReason *string `json:"disabled_reason"`
}

type serverOnHost struct {
	Name string `json:"name"`
	UUID string `json:"uuid"`
}

// hypervisorView makes the view. Servers that were asked for are an empty list only from
// 2.75 on; before, the key is missing when there are none.
func (q *Request) hypervisorView(h *service.Hypervisor, servers bool) hypervisorView {
	v := hypervisorView{
		Num: h.Num, ID: h.ID, Hostname: h.Hostname, State: q.API.stateOf(&h.Service), Status: statusOf(&h.Service),
		Type: h.Type, Version: h.Version,
		Service:           serviceOfHypervisor{h.Service.Num, h.Service.ID, h.Host, reasonOf(&h.Service)},
		hypervisorNumbers: numbersOf(h), CPUInfo: json.RawMessage("{}"),
	}
	if h.HostIP != "" {
		v.HostIP = &h.HostIP
	}
	if h.Uptime != "" {
		v.Uptime = &h.Uptime
	}
	if len(h.CPUInfo) > 0 {
		if text, err := json.Marshal(h.CPUInfo); err == nil {
			v.CPUInfo, v.CPUText = text, string(text)
		}
	}
	if servers && (len(h.Instance) > 0 || q.V >= 75) {
		list := make([]serverOnHost, len(h.Instance))
		for i, s := range h.Instance {
			list[i] = serverOnHost{s.Name, s.ID}
		}
		v.Servers = &list
	}
	return v
}

// statistics are the sums over all enabled hypervisors.
type statistics struct {
	Count int64 `json:"count"`
	hypervisorNumbers
}

func showStatistics(q *Request) error {
	if err := q.Policy(); err != nil {
		return err
	}
	list, err := q.API.services.Hypervisors(q.R.Context(), service.Ask{Usage: true}, service.Every)
	if err != nil {
		return err
	}
	var sum statistics
	for i := range list {
		if !list[i].Service.Disabled {
			sum.Count++
			sum.add(numbersOf(&list[i]))
		}
	}
	return q.Reply(http.StatusOK, microversion.ShowDetail, &struct {
		Statistics *statistics `json:"hypervisor_statistics"`
	}{&sum})
}
