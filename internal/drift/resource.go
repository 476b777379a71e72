package drift

import (
	"cmp"
	"encoding/json"
)

// Network compares the inspection of a network with the request for it.
func (c Comparison) Network(name string, raw json.RawMessage) ([]Difference, error) {
	want, got, err := pair(c.requests.Networks, "network "+name, name, raw)
	if err != nil {
		return nil, err
	}
	want["Driver"] = cmp.Or(text(want, "Driver"), "bridge")
	if want["EnableIPv4"] == nil {
		if _, says := got["EnableIPv4"]; says {
			want["EnableIPv4"] = true
		}
	}
	ipam := object(want, "IPAM")
	ipam["Driver"] = cmp.Or(text(ipam, "Driver"), "default")
	want["IPAM"] = ipam
	return compared(networkTree(want), networkTree(got), rules(networkTable()), Facts{Subnets: len(list(ipam, "Config")) > 0}), nil
}

// Volume compares the inspection of a volume with the request for it.
func (c Comparison) Volume(name string, raw json.RawMessage) ([]Difference, error) {
	want, got, err := pair(c.requests.Volumes, "volume "+name, name, raw)
	if err != nil {
		return nil, err
	}
	want["Driver"] = cmp.Or(text(want, "Driver"), "local")
	want["Options"] = want["DriverOpts"]
	delete(want, "DriverOpts")
	delete(want, "ClusterVolumeSpec")
	return compared(volumeTree(want), volumeTree(got), rules(volumeTable()), Facts{}), nil
}

func pair(requests map[string]json.RawMessage, what, name string, raw json.RawMessage) (want, got map[string]any, err error) {
	request, ok := requests[name]
	if !ok {
		return nil, nil, &UnknownError{what}
	}
	if want, err = decoded(request); err != nil {
		return nil, nil, err
	}
	got, err = decoded(raw)
	return want, got, err
}
