"""The Lambda function under test of this example: takes orders, and counts them by version."""

import json
import os
import random
import time


def handler(event, context):
    started = time.perf_counter()
    time.sleep(random.uniform(0.02, 0.08))  # the database
    if random.random() < float(os.environ.get("BUG_SHARE", "0")):
        raise RuntimeError("the order could not be stored")
    metrics = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": "Shop", "Dimensions": [["version"]], "Metrics": [{"Name": "orders", "Unit": "Count"}]}
            ],
        },
        "version": context.function_version,
        "orders": 1,
    }
    print(json.dumps(metrics))
    took_ms = (time.perf_counter() - started) * 1000
    return {"statusCode": 201, "body": json.dumps({"took_ms": took_ms, "version": context.function_version})}
