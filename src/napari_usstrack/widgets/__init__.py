"""The dock and the layers it shows; the only place that imports a toolkit."""
