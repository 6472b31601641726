"""The Ray cluster that this process gives work to: one at an address, or one started on this machine."""

import logging
import os
from typing import Any

# Ray reads these as it is imported: no telemetry; Ctrl-C and the working folder are ours
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}

import ray

from formulanas.errors import InputError

OBJECT_STORE_BYTES = 100 * 2**20  # nothing large goes through it; Ray's default is 30 % of the memory


def connect(address: str | None, num_cpus: int) -> str:
    """Connects this process to the cluster at `address`, or starts one of `num_cpus` here, and says where that is.

    Raises InputError where there is none.
    """
    settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        settings |= {"object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": True}
        context = ray.init("local", num_cpus=num_cpus, **settings)
        place = "on this machine"
    else:
        try:
            context = ray.init(address, **settings)
        except ConnectionError as error:
            raise InputError(f"there is no Ray cluster at {address}: {error} (--address)") from None
        place = f"at {ray.get_runtime_context().gcs_address}"
    url = context.dashboard_url
    return place + (f"; dashboard http://{url} (its token: ray get-auth-token)" if url else "")
