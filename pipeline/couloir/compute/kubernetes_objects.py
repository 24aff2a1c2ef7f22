"""Write the objects of a run on Kubernetes."""

from couloir.compute.kubernetes_run import LABEL, PORT, Run, labelled
from couloir.compute.kubernetes_stages import FOR_GOOD, detection, report, training
from couloir.compute.pods import RUN_FILE, STAGE_SCRIPT, Tree
from couloir.compute.tls import pem_files

_SCRIPT = """
# Run commands of couloir one after the other, as the only process of a pod that is told to stop.
# A command that may go well a little later (75: the output is still held, the cluster is not there) is run again.
told='' work='' passed='' left=60
trap 'told=yes; pass' TERM
pass() {
    [ -n "$work" ] && [ -z "$passed" ] || return 0
    passed=yes
    kill -TERM "$work"
}
for command in "$@"; do
    while :; do
        [ -z "$told" ] || exit 143
        code=0 work='' passed=''
        couloir $command & work=$!
        [ -z "$told" ] || pass
        wait "$work" || code=$?
        while kill -0 "$work" 2>/dev/null; do code=0; wait "$work" || code=$?; done
        [ "$code" -eq 75 ] && [ "$left" -gt 0 ] || break
        left=$((left - 1))
        sleep 15 & work=$!
        wait "$work" || :
    done
    [ "$code" -eq 0 ] && continue
    stage=${command%% *}
    case $stage in release) stage=${command##*-} ;; assign) stage=catalog ;; esac
    [ "$code" -ne 143 ] || exit 143  # told to stop: another pod goes on
    where=--unbegun  # what dies again and again before it begins tells nothing by itself
    case $1 in detect*) where='' ;; esac  # the operator begins it no second time
    case $code in @FOR_GOOD@) where='' ;; esac  # nor Kubernetes a job that ends so
    couloir note-failure $where "$stage" @RUN_FILE@ "ended with exit code $code: couloir $command" || :
    exit "$code"
done
""".replace("@RUN_FILE@", RUN_FILE).replace("@FOR_GOOD@", " | ".join(map(str, FOR_GOOD)))


def objects_of(run: Run) -> list[Tree]:
    """Give all objects of a run but its certificate."""
    later = [training(run), report(run)] if run.trains else [report(run)]
    return [*_rights(run), _settings(run), *_policies(run), *later, detection(run)]


def certificate_of(run: Run) -> Tree:
    """Make the Secret by which the run's processes know each other; it is another one at each call."""
    return labelled(run, "v1", "Secret", f"{run.name}-tls", type="Opaque", stringData=pem_files())


def _rights(run: Run) -> list[Tree]:
    """Let two pods start the stage after theirs, and nothing else; the others have no token at all."""
    later = [name for stage, name in run.jobs.items() if stage != "detect"]
    rule = {"apiGroups": ["batch"], "resources": ["jobs"], "resourceNames": later, "verbs": ["patch"]}
    account = run.site.service_account or run.name
    subject = {"kind": "ServiceAccount", "name": account, "namespace": run.site.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": run.name}
    made = labelled(run, "v1", "ServiceAccount", run.name, automountServiceAccountToken=False)
    return [
        *([] if run.site.service_account else [made]),
        labelled(run, "rbac.authorization.k8s.io/v1", "Role", run.name, rules=[rule]),
        labelled(run, "rbac.authorization.k8s.io/v1", "RoleBinding", run.name, subjects=[subject], roleRef=role),
    ]


def _settings(run: Run) -> Tree:
    files = {RUN_FILE: run.run_file, STAGE_SCRIPT: _SCRIPT.lstrip("\n")}
    data = {path.rpartition("/")[2]: text for path, text in files.items()}
    return labelled(run, "v1", "ConfigMap", run.name, data=data)


def _policies(run: Run) -> list[Tree]:
    """Let nobody in but this run's own processes to its scheduler and its workers."""
    ours = {LABEL: run.name}
    within = [{"podSelector": {"matchLabels": {"dask.org/cluster-name": run.name}}}]

    def policy(name: str, labels: dict[str, str], ingress: list[Tree]) -> Tree:
        spec = {"podSelector": {"matchLabels": ours | labels}, "policyTypes": ["Ingress"], "ingress": ingress}
        return labelled(run, "networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)

    listening = [{"protocol": "TCP", "port": PORT}]
    return [
        policy(f"{run.name}-closed", {}, []),
        policy(
            f"{run.name}-scheduler",
            {"dask.org/component": "scheduler"},
            [{"from": within, "ports": listening}],
        ),
        policy(f"{run.name}-workers", {"dask.org/component": "worker"}, [{"from": within}]),
    ]
