package observe

import (
	"context"
	"maps"
	"net/http"
	"testing"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/symptoms"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// What looks at an engine gets through with an error, or says what it could not see, whichever of the answers is broken.
func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	looks := map[string]func(context.Context, *Observer) error{
		"containers": func(ctx context.Context, o *Observer) error {
			_, err := o.Containers(ctx, "shop", func(string) verify.Request { return verify.Request{} }, nil)
			return err
		},
		"symptoms": func(ctx context.Context, o *Observer) error {
			_, err := symptoms.New(o.engine, o.images).Symptoms(ctx, stack.Stack{Name: "shop", Services: []stack.Service{{Name: "app", Image: "app:1"}, {Name: "gone", Image: "gone:1"}}})
			return err
		},
		"machine": func(ctx context.Context, o *Observer) error { _, err := o.Machine(ctx); return err },
		"what is there of a stack": func(ctx context.Context, o *Observer) error {
			_, _, err := o.Look(ctx, deploy.Desired{Stack: stack.Stack{Name: "shop", Services: []stack.Service{{Name: "app", Image: "app:1"}}}})
			return err
		},
	}
	sick := map[string]any{"State": map[string]any{"Status": "exited", "ExitCode": 137, "Health": map[string]any{"Status": "unhealthy", "Log": []any{nil}}}}
	for _, pattern := range []string{"GET /info", "GET /containers/json", "GET /containers/{id}/json", "GET /networks", "GET /volumes", "GET /images/json",
		"GET /images/{name}/json", "GET /images/{name}/history", "GET /events", "GET /containers/{id}/changes", "GET /containers/{id}/logs", "GET /containers/{id}/stats"} {
		for said, answer := range map[string]http.HandlerFunc{"nothing": enginetest.Nothing(), "null": enginetest.JSON(nil), "an object": enginetest.Text("{}"),
			"nulls": enginetest.Text("[null]"), "half": enginetest.Half(`{"Id":"0123`), "refused": enginetest.Status(http.StatusInternalServerError, "not now")} {
			t.Run(pattern+" says "+said, func(t *testing.T) {
				t.Parallel()
				answers := enginetest.Containers("shop", enginetest.Container("0123456789ab", "shop-app-1", "app", nil), enginetest.Container("0123456789cd", "shop-app-2", "app", sick))
				maps.Copy(answers, enginetest.Answers{
					"GET /images/{name}/json": enginetest.JSON(map[string]any{"Id": "sha256:0"}), "GET /images/{name}/history": enginetest.JSON([]any{}),
					"GET /events": enginetest.Nothing(), "GET /containers/{id}/changes": enginetest.JSON([]any{}), "GET /containers/{id}/logs": enginetest.Nothing(),
					"GET /containers/{id}/stats": enginetest.JSON(map[string]any{}),
				})
				maps.Copy(answers, enginetest.Answers{pattern: answer})
				e, _ := connect(t, answers)
				for name, look := range looks {
					t.Log(name, look(t.Context(), observer(e))) // that it comes to an end is what is tested
				}
			})
		}
	}
}

// A list of events that is cut off is no history of a container: what was started in it is not known.
func TestEventsCutOff(t *testing.T) {
	t.Parallel()
	answers := enginetest.Containers("shop", enginetest.Container("0123456789ab", "shop-app-1", "app", nil))
	answers["GET /events"] = enginetest.Half(`{"Type":"container","Action":"exec_create: sh","Actor":{"ID":"0123456789ab"}}`)
	e, _ := connect(t, answers)
	seen, err := observer(e).Containers(t.Context(), "shop", func(string) verify.Request { return verify.Request{} }, nil)
	if err != nil || len(seen) != 1 {
		t.Fatalf("%d containers, %v", len(seen), err)
	}
	if f := seen[0].Engine.Entries; f.Known() {
		t.Errorf("known: %+v", f)
	}
}
