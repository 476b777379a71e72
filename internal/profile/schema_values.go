package profile

// holder is what stands for a variable in a place that may have one: see VariablePlaces.
const holder = `|\$\{`

func (Bytes) schema() object {
	return object{"type": []string{"string", "integer"}, "pattern": `^\d+(\.\d+)? ?([kKmMgGtTpP][iI]?)?[bB]?$` + holder}
}

func (CPUs) schema() object {
	return object{"type": []string{"string", "number"}, "pattern": decimal.String() + holder}
}

func (Percent) schema() object {
	return object{"type": []string{"string", "number"}, "pattern": `^\d{1,2}(\.\d{1,9})?%?$` + holder}
}

func (Duration) schema() object {
	return object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
}

func (User) schema() object { return object{"type": "string", "pattern": `^\d+:\d+$`} }

func (Mode) schema() object {
	return object{"type": []string{"string", "integer"}, "pattern": `^(0o)?[0-7]{1,4}$`}
}

func (Day) schema() object {
	return object{"type": "string", "pattern": `^\d{4}-\d{2}-\d{2}$`}
}

func (Text) schema() object { return object{"type": []string{"string", "number", "boolean"}} }

func (Port) short() object {
	return object{"type": "string", "pattern": `^(.+:)?\d+:\d+(/(tcp|udp))?$` + holder}
}

func (SecretUse) short() object { return object{"type": "string"} }

func (Dependency) short() object { return object{"type": "string"} }

func (Env) short() object { return object{"type": []string{"string", "number", "boolean"}} }
