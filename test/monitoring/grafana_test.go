package monitoring_test

import (
	"errors"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Grafana's own model, as its project publishes it for Go, decodes every dashboard strictly: no field of the dashboard, of
// a panel's options and field settings, or of a query may be unknown, none that is required may be missing, and every
// value must be one that is allowed.
func TestDashboardsAreGrafanasModel(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	_, s := watch(t)
	grafana, _ := s.Service("grafana")
	tried := 0
	for _, c := range grafana.Configs {
		if len(c.Path) < 11 || c.Path[:11] != "dashboards/" {
			continue
		}
		tried++
		var d dashboard.Dashboard //nolint:staticcheck // the schema that every Grafana loads from a file; the second one is not provisioned yet
		var wrong cog.BuildErrors // it comes as an error when it is empty, too
		if err := d.UnmarshalJSONStrict(c.Data); err != nil && (!errors.As(err, &wrong) || len(wrong) > 0) {
			t.Errorf("%s: %v", c.Path, err)
			continue
		}
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", c.Path, err)
		}
	}
	var d dashboard.Dashboard //nolint:staticcheck // as above
	if err := d.UnmarshalJSONStrict([]byte(`{"title": "x", "panles": []}`)); err == nil || err.Error() == "" {
		t.Error("an unknown field is not noticed")
	}
	if tried != 4 {
		t.Errorf("%d dashboards, want 4", tried)
	}
}
