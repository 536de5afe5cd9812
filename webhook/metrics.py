"""Every metric of both processes, in one place. Labels never hold a key, a token or anything per run."""

from prometheus_client import Counter, Gauge, Histogram

informer_objects = Gauge("cronitor_informer_objects", "Objects in an informer's cache.", ["kind"])
informer_errors = Counter(
    "cronitor_informer_errors_total", "Failed lists, watches and handlers of an informer.", ["kind"]
)

admissions = Counter(
    "cronitor_admission_reviews_total",
    "Admission reviews by outcome: injected, or why not.",
    ["outcome"],
)
admission_seconds = Histogram(
    "cronitor_admission_seconds",
    "Time spent on one admission review.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5),
)
owner_reads = Counter(
    "cronitor_admission_owner_reads_total",
    "Owners that the cache did not hold and the API server was asked for.",
    ["kind"],
)
certificate_expiry = Gauge(
    "cronitor_admission_certificate_expiry_seconds", "When the serving certificate ends, Unix time."
)

leading = Gauge("cronitor_controller_leading", "1 while this replica holds the Lease.")
reconciles = Counter("cronitor_controller_reconciles_total", "Reconciliations by kind and result.", ["kind", "result"])
queue_depth = Gauge("cronitor_controller_queue_depth", "Keys that wait to be reconciled.", ["queue"])
provisioned = Gauge("cronitor_controller_namespaces_provisioned", "Labelled namespaces whose pods can be injected.")
runs_opened = Counter("cronitor_controller_runs_opened_total", "Runs opened: Jobs of included CronJobs marked.")
runs_lost = Counter(
    "cronitor_controller_runs_lost_total",
    "Runs whose Job vanished unseen, and that no sidecar told: their verdict is not known.",
)
events_told = Counter(
    "cronitor_controller_events_total",
    "Events that the controller sent to Cronitor, by state and result (accepted, refused, failed).",
    ["state", "result"],
)
events_waiting = Gauge("cronitor_controller_events_waiting", "Events that the controller has yet to deliver.")
events_repeated = Counter(
    "cronitor_controller_events_repeated_total",
    "Events taken over from an earlier leader that may have sent them already.",
)
corrections = Counter(
    "cronitor_controller_corrections_total", "Verdicts told after another one that the Job then contradicted."
)
breaker_open = Gauge(
    "cronitor_breaker_open", "1: new pods of the namespace go without the sidecar; 0: it is tried again.", ["namespace"]
)
pods_freed = Counter("cronitor_pods_freed_total", "Pods stuck on our container that were given another image.")
jobs_exempted = Counter("cronitor_jobs_exempted_total", "Jobs whose pod was refused, tried again without the sidecar.")
events_failed = Counter("cronitor_events_failed_total", "Kubernetes Events that could not be written.")
bad_annotations = Counter(
    "cronitor_bad_annotations_total", "Annotations under our prefix that cannot be read, when first seen.", ["key"]
)
api_key_valid = Gauge("cronitor_api_key_valid", "1: the monitors API takes the key; 0: it does not; -1: not known yet.")

monitors_desired = Gauge("cronitor_monitors_desired", "Monitors that CronJobs want.")
monitors_synced = Gauge("cronitor_monitors_synced", "Of those, the ones that Cronitor has as they are wanted.")
monitors_rejected = Gauge("cronitor_monitors_rejected", "Of those, the ones that Cronitor rejects.")
monitor_put_seconds = Histogram(
    "cronitor_monitors_put_seconds",
    "Time until Cronitor has answered one PUT of at most 100 monitors.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30),
)
monitor_requests = Counter(
    "cronitor_monitors_requests_total",
    "Requests for monitors by operation (put, delete, get) and result (accepted, rejected, refused: the key, throttled,"
    " failed).",
    ["operation", "result"],
)
monitors_last_success = Gauge(
    "cronitor_monitors_last_success_seconds", "When Cronitor last did what was asked for a monitor, Unix time."
)
