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
queue_depth = Gauge("cronitor_controller_queue_depth", "Keys that wait to be reconciled.")
provisioned = Gauge("cronitor_controller_namespaces_provisioned", "Labelled namespaces whose pods can be injected.")
runs_opened = Counter("cronitor_controller_runs_opened_total", "Runs opened: Jobs of included CronJobs marked.")
bad_annotations = Counter(
    "cronitor_bad_annotations_total", "Annotations under our prefix that cannot be read, when first seen.", ["key"]
)
api_key_valid = Gauge("cronitor_api_key_valid", "1: the monitors API takes the key; 0: it does not; -1: not known yet.")
