"""The command lines and files of a cluster fit together."""

import datetime
import json
import re
from pathlib import Path

import pytest
from cryptography import x509

from tests.cluster import certificates, components
from tests.cluster.components import NAMES, PKI
from tests.cluster.layout import API_SERVER, API_SERVICE_IP, KUBECONFIG, NODE_IP, RUN

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
PLAN = components.plan({name: Path("/binaries") / name for name in NAMES})
EVERYTHING = PLAN.text()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    certificates.write(folder, NOW)
    return folder


def test_every_component_is_started_by_its_own_binary() -> None:
    assert {name: command[0] for name, command in PLAN.commands.items()} == {n: f"/binaries/{n}" for n in NAMES}


def test_every_configuration_file_that_is_named_is_written() -> None:
    named = set(re.findall(rf"{RUN}/([\w.-]+\.(?:kubeconfig|json|toml))\b", EVERYTHING))
    assert named
    assert named <= set(PLAN.files)


def test_every_certificate_and_key_that_is_named_is_made(pki: Path) -> None:
    named = set(re.findall(rf"{PKI}/([\w.-]+\.(?:crt|key|pub))\b", EVERYTHING))
    assert named
    assert named <= {path.name for path in pki.iterdir()}


def test_certificates_come_from_the_clusters_own_authority(pki: Path) -> None:
    authority = x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes())
    for path in pki.glob("*.crt"):
        x509.load_pem_x509_certificate(path.read_bytes()).verify_directly_issued_by(authority)


def test_the_api_server_is_known_by_the_nodes_and_the_services_address(pki: Path) -> None:
    certificate = x509.load_pem_x509_certificate((pki / "apiserver.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {NODE_IP, API_SERVICE_IP} <= addresses


def test_the_admins_kubeconfig_reaches_the_api_server_on_the_node() -> None:
    written = json.loads(PLAN.files[KUBECONFIG.name])
    assert written["clusters"][0]["cluster"]["server"] == API_SERVER


def test_no_component_writes_outside_the_runs_folder() -> None:
    outside = [
        word
        for command in PLAN.commands.values()
        for word in re.findall(r"=(/[\w/.-]+)", " ".join(command[1:]))
        if not word.startswith(f"{RUN}/")
    ]
    assert outside == []


def test_another_binary_is_another_plan() -> None:
    other = components.plan({name: Path("/others") / name for name in NAMES})
    assert other.text() != PLAN.text()
