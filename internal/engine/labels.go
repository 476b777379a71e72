package engine

// Labels that mark what hsectl makes on an engine.
const (
	LabelRole    = "dev.hsectl.role" // probe, carrier, secrets
	LabelStack   = "dev.hsectl.stack"
	LabelService = "dev.hsectl.service"
	LabelVersion = "dev.hsectl.version"
)

// Labels of Compose, so that its own tools see hsectl's containers and volumes as theirs.
const (
	ComposeProject = "com.docker.compose.project"
	ComposeService = "com.docker.compose.service"
	ComposeVolume  = "com.docker.compose.volume"
	ComposeOneoff  = "com.docker.compose.oneoff"
)
