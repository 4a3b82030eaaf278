// The package's namespaces.
