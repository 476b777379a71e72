module github.com/hsectl/hsectl

go 1.26.8

require (
	github.com/agext/levenshtein v1.2.3
	github.com/docker/go-units v0.5.0
	github.com/hashicorp/go-multierror v1.1.1
	go.yaml.in/yaml/v3 v3.0.5
)

require github.com/hashicorp/errwrap v1.0.0 // indirect
