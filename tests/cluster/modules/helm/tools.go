//go:build tools

// Package tools names the helm command that the tests install the chart with.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
