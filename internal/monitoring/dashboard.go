package monitoring

import (
	"encoding/json"
	"fmt"
)

// The part of Grafana's dashboard model that is used: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
type (
	dashboard struct {
		UID           string      `json:"uid"`
		Title         string      `json:"title"`
		Description   string      `json:"description"`
		Tags          []string    `json:"tags"`
		Timezone      string      `json:"timezone"`
		SchemaVersion int         `json:"schemaVersion"`
		Version       int         `json:"version"`
		Refresh       string      `json:"refresh"`
		Editable      bool        `json:"editable"`
		GraphTooltip  int         `json:"graphTooltip"`
		Time          timeRange   `json:"time"`
		Templating    variables   `json:"templating"`
		Annotations   annotations `json:"annotations"`
		Links         []link      `json:"links"`
		Panels        []panel     `json:"panels"`
	}

	timeRange struct {
		From string `json:"from"`
		To   string `json:"to"`
	}

	variables struct {
		List []string `json:"list"`
	}

	annotations struct {
		List []annotation `json:"list"`
	}

	annotation struct {
		Name       string     `json:"name"`
		Datasource datasource `json:"datasource"`
		Enable     bool       `json:"enable"`
		IconColor  string     `json:"iconColor"`
		Expr       string     `json:"expr"`
		TitleText  string     `json:"titleFormat"`
	}

	link struct {
		Title       string   `json:"title"`
		Type        string   `json:"type"`
		Tags        []string `json:"tags"`
		AsDropdown  bool     `json:"asDropdown"`
		IncludeVars bool     `json:"includeVars"`
		KeepTime    bool     `json:"keepTime"`
		Icon        string   `json:"icon"`
		Tooltip     string   `json:"tooltip"`
		TargetBlank bool     `json:"targetBlank"`
	}

	datasource struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}

	panel struct {
		ID          int          `json:"id"`
		Type        string       `json:"type"`
		Title       string       `json:"title"`
		Description string       `json:"description,omitempty"`
		GridPos     gridPos      `json:"gridPos"`
		Collapsed   *bool        `json:"collapsed,omitempty"` // rows only
		Panels      *[]panel     `json:"panels,omitempty"`    // rows only: those of a row that is collapsed
		Datasource  *datasource  `json:"datasource,omitempty"`
		Targets     []target     `json:"targets,omitempty"`
		FieldConfig *fieldConfig `json:"fieldConfig,omitempty"`
		Options     settings     `json:"options,omitempty"`
	}

	gridPos struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	}

	target struct {
		RefID        string     `json:"refId"`
		Datasource   datasource `json:"datasource"`
		Expr         string     `json:"expr"`
		LegendFormat string     `json:"legendFormat"`
	}

	fieldConfig struct {
		Defaults  fieldDefaults `json:"defaults"`
		Overrides []settings    `json:"overrides"`
	}

	fieldDefaults struct {
		Unit       string     `json:"unit"`
		Min        *float64   `json:"min,omitempty"`
		Color      settings   `json:"color"`
		Thresholds thresholds `json:"thresholds"`
		Mappings   []settings `json:"mappings,omitempty"`
		Custom     settings   `json:"custom,omitempty"`
	}

	thresholds struct {
		Mode  string `json:"mode"`
		Steps []step `json:"steps"`
	}

	step struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"`
	}
)

// query is one expression of a panel and how its series are called.
type query struct{ expr, legend string }

// sheet collects panels and puts them on the grid from left to right.
type sheet struct {
	panels []panel
	x, y   int
}

// Sizes on Grafana's grid, which is 24 wide.
const (
	gridWidth   = 24
	panelHeight = 8
	statHeight  = 4
)

func (s *sheet) add(p panel, width, height int) *panel {
	if s.x+width > gridWidth {
		s.x, s.y = 0, s.y+height
	}
	p.ID = len(s.panels) + 1
	p.GridPos = gridPos{s.x, s.y, width, height}
	s.x += width
	s.panels = append(s.panels, p)
	return &s.panels[len(s.panels)-1]
}

// row begins a new row with a title.
func (s *sheet) row(title string) {
	s.y, s.x = s.next(), 0
	open := false
	s.add(panel{Type: "row", Title: title, Collapsed: &open, Panels: &[]panel{}}, gridWidth, 1)
	s.y, s.x = s.y+1, 0
}

// next is the line below everything so far.
func (s *sheet) next() int {
	y := 0
	for _, p := range s.panels {
		y = max(y, p.GridPos.Y+p.GridPos.H)
	}
	return y
}

// graph adds a time series. Unit is one of Grafana's: https://github.com/grafana/grafana/tree/main/packages/grafana-data/src/valueFormats
func (s *sheet) graph(title, unit, description string, queries ...query) *panel {
	zero := 0.0
	return s.add(panel{Type: "timeseries", Title: title, Description: description, Datasource: metricsSource(), Targets: newTargets(queries),
		FieldConfig: &fieldConfig{Overrides: []settings{}, Defaults: fieldDefaults{Unit: unit, Min: &zero,
			Color: settings{"mode": "palette-classic"}, Thresholds: levels(),
			Custom: settings{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "thresholdsStyle": settings{"mode": "off"}}}},
		Options: settings{"legend": settings{"calcs": []string{}, "displayMode": "list", "placement": "bottom", "showLegend": true}, "tooltip": settings{"mode": "multi", "sort": "desc"}},
	}, gridWidth/2, panelHeight)
}

// stat adds a number.
func (s *sheet) stat(title, unit, description string, queries ...query) *panel {
	return s.add(panel{Type: "stat", Title: title, Description: description, Datasource: metricsSource(), Targets: newTargets(queries),
		FieldConfig: &fieldConfig{Overrides: []settings{}, Defaults: fieldDefaults{Unit: unit, Color: settings{"mode": "thresholds"}, Thresholds: levels()}},
		Options: settings{"reduceOptions": settings{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}, "colorMode": "value", "graphMode": "none",
			"orientation": "auto", "textMode": "auto", "justifyMode": "auto", "wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard"},
	}, gridWidth/4, statHeight)
}

// limit draws a line at the limit and colours what is near it.
func (p *panel) limit(at float64) {
	p.FieldConfig.Defaults.Thresholds = levels(step{"orange", number(0.9 * at)}, step{"red", number(at)})
	if custom := p.FieldConfig.Defaults.Custom; custom != nil {
		custom["thresholdsStyle"] = settings{"mode": "line+area"}
	}
}

// alive shows one as up and zero as down.
func (p *panel) alive() {
	p.FieldConfig.Defaults.Thresholds = thresholds{"absolute", []step{{"red", nil}, {"green", number(1)}}}
	p.FieldConfig.Defaults.Mappings = []settings{{"type": "value", "options": settings{
		"0": settings{"text": "down", "color": "red", "index": 0}, "1": settings{"text": "up", "color": "green", "index": 1}}}}
}

// none colours everything above zero.
func (p *panel) none() {
	p.FieldConfig.Defaults.Thresholds = levels(step{"red", number(1)})
}

func levels(steps ...step) thresholds {
	return thresholds{"absolute", append([]step{{"green", nil}}, steps...)}
}

func number(f float64) *float64 { return &f }

func metricsSource() *datasource { return &datasource{"prometheus", uidMetrics} }

func newTargets(queries []query) []target {
	var out []target
	for i, q := range queries {
		out = append(out, target{RefID: string(rune('A' + i)), Datasource: *metricsSource(), Expr: q.expr, LegendFormat: q.legend})
	}
	return out
}

// document writes a dashboard as Grafana loads it.
func (s dashboardSet) document(uid, title, description string, panels []panel) ([]byte, error) {
	d := dashboard{
		UID: uid, Title: title, Description: description, Tags: []string{"hsectl", s.app.Name}, Timezone: "browser", SchemaVersion: 39, Version: 1,
		Refresh: "30s", GraphTooltip: 1, Time: timeRange{"now-1h", "now"}, Templating: variables{[]string{}},
		Annotations: annotations{[]annotation{{Name: "Alerts", Datasource: *metricsSource(), Enable: true, IconColor: "red",
			Expr: fmt.Sprintf(`ALERTS{alertstate="firing",%s}`, s.sel("")), TitleText: "{{alertname}} {{service}}"}}},
		Links:  []link{{Title: "Dashboards of " + s.app.Name, Type: "dashboards", Tags: []string{"hsectl"}, AsDropdown: true, KeepTime: true, Icon: "external link"}},
		Panels: panels,
	}
	out, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing dashboard %s: %w", uid, err)
	}
	return append(out, '\n'), nil
}
