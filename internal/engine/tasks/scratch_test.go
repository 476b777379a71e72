package tasks

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/volumes"
)

// What a backup has left is removed when it is old on the engine's clock: that of a backup at work is not, whatever ours shows.
func TestWhatIsLeftOfBackups(t *testing.T) {
	t.Parallel()
	now := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	old := now.Add(-2 * scratchAge)
	s := enginetest.New(t, enginetest.Answers{
		"GET /info": enginetest.JSON(map[string]any{"SystemTime": now.Format(time.RFC3339Nano)}),
		"GET /containers/json": enginetest.JSON([]map[string]any{
			{"Id": "at-work", "Created": now.Add(-time.Minute).Unix()}, {"Id": "left", "Created": old.Unix()}}),
		"GET /volumes": enginetest.JSON(map[string]any{"Volumes": []map[string]any{
			{"Name": "in-use", "CreatedAt": now.Add(-time.Minute).Format(time.RFC3339)}, {"Name": "lost", "CreatedAt": old.Format(time.RFC3339)}, {"Name": "unknown"}}}),
		"POST /volumes/create":    enginetest.JSON(map[string]any{"Name": "scratch"}),
		"DELETE /containers/{id}": func(http.ResponseWriter, *http.Request) {},
		"DELETE /volumes/{name}":  func(http.ResponseWriter, *http.Request) {},
	})
	e, err := engine.Connect(t.Context(), engine.Endpoint{Host: s.Host()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := New(e, volumes.New(e)).WithScratch(t.Context(), "shop", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var removed []string
	for _, asked := range s.Asked() {
		if what, ok := strings.CutPrefix(asked, "DELETE /"); ok {
			removed = append(removed, what)
		}
	}
	if want := []string{"containers/left", "volumes/lost", "volumes/scratch"}; !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v", removed, want)
	}
}
