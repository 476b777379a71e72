package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/profiles"
)

// A variable with a secret becomes a file where the image is known to read one; its value is never copied.
func TestVariablesBecomeFiles(t *testing.T) {
	for _, c := range []struct {
		name, services string
		want, not      []string
	}{
		{
			"a value in plain text", `db: {image: "postgres:17", environment: {POSTGRES_PASSWORD: hunter2, POSTGRES_DB: shop}}`,
			[]string{"secrets: [{env: POSTGRES_PASSWORD_FILE, name: postgres_password}]", "postgres_password: {env: POSTGRES_PASSWORD}", "POSTGRES_DB: shop"},
			[]string{"POSTGRES_PASSWORD: {", "TODO(hsectl): the value of"},
		},
		{
			"a variable of the caller", `db: {image: "postgres:17", environment: ["POSTGRES_PASSWORD=${DB_PASSWORD:?needed}"]}`,
			[]string{"postgres_password: {env: DB_PASSWORD}"}, []string{"passthrough"},
		},
		{
			"a default is a secret, too", `db: {image: "postgres:17", environment: {POSTGRES_PASSWORD: "${DB_PASSWORD:-changeme}"}}`,
			[]string{"POSTGRES_PASSWORD: {required: true}"}, []string{"name: postgres_password", "changeme"},
		},
		{
			"a value that is put together stays", `db: {image: "postgres:17", environment: {POSTGRES_PASSWORD: "a${DB_PASSWORD}"}}`,
			nil, []string{"POSTGRES_PASSWORD_FILE"},
		},
		{
			"the test of health reads it", `db: {image: "mysql:8.4", environment: {MYSQL_ROOT_PASSWORD: hunter2}, healthcheck: {test: "mysqladmin ping -p$$MYSQL_ROOT_PASSWORD"}}`,
			[]string{"MYSQL_ROOT_PASSWORD: {required: true}"}, []string{"MYSQL_ROOT_PASSWORD_FILE, name"},
		},
		{
			"the image has the file already", `db: {image: "postgres:17", environment: {POSTGRES_PASSWORD: hunter2, POSTGRES_PASSWORD_FILE: /x}}`,
			[]string{"POSTGRES_PASSWORD: {required: true}"}, []string{"postgres_password:"},
		},
		{
			"the image is not known", `db: {image: "example.org/db:1", environment: {POSTGRES_PASSWORD: hunter2}}`,
			[]string{"POSTGRES_PASSWORD: {required: true}"}, []string{"postgres_password:"},
		},
		{
			"the old names of MariaDB", `db: {image: "mariadb:11", environment: {MYSQL_ROOT_PASSWORD: hunter2}}`,
			[]string{"{env: MYSQL_ROOT_PASSWORD_FILE, name: mysql_root_password}"}, []string{"required"},
		},
		{
			"two services with one value share a secret", `a: {image: "postgres:17", environment: {POSTGRES_PASSWORD: hunter2}}
  b: {image: "postgres:17", environment: {POSTGRES_PASSWORD: hunter2}}`,
			[]string{"secrets:\n  # The value is where it was, and in no container's environment: set the variable for deploy.\n  postgres_password: {env: POSTGRES_PASSWORD}\n"}, []string{"b_postgres"},
		},
		{
			"two values are two secrets, from two variables", `a: {image: "postgres:17", environment: {POSTGRES_PASSWORD: hunter2}}
  b-2: {image: "postgres:17", environment: {POSTGRES_PASSWORD: hunter2x}}`,
			[]string{"postgres_password: {env: POSTGRES_PASSWORD}", "b-2_postgres_password: {env: B_2_POSTGRES_PASSWORD}"}, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := imported(t, "name: shop\nservices:\n  "+c.services+"\n")
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing", want)
				}
			}
			for _, not := range append(c.not, "hunter2") {
				if strings.Contains(text, not) {
					t.Errorf("%q is there", not)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// imported returns the profile that a Compose file becomes; it must be a valid one.
func imported(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "compose.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := composefile.Load(t.Context(), composefile.Source{Files: []string{path}, Read: fromDisk, AsWritten: true, Keep: true, Variables: map[string]string{"DB_PASSWORD": "hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Profile(p, Target{Dir: filepath.Dir(path), Source: "compose.yml", Today: today, Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range d.Problems {
		t.Errorf("%v in\n%s", problem, d.Text)
	}
	return string(d.Text)
}
