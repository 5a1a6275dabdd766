"""The typed configuration: schema, layers of YAML files and overrides, error texts."""
