"""Ray Serve with the same booster: one replica, and batches of up to `batch` requests (1: none)."""

import sys
import time

import lightgbm
import ray
from ray import serve

port, model, batch = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])


@serve.deployment(num_replicas=1, max_ongoing_requests=128)
class Booster:
    def __init__(self):
        self.booster = lightgbm.Booster(model_file=model)

    @serve.batch(max_batch_size=batch, batch_wait_timeout_s=0.002)
    async def together(self, rows):
        return self.booster.predict(rows, num_threads=1).tolist()

    async def __call__(self, request):
        row = (await request.json())["features"]
        if batch > 1:
            return {"prediction": await self.together(row)}
        return {"prediction": self.booster.predict([row], num_threads=1).item(0)}


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
serve.start(
    http_options={"host": "127.0.0.1", "port": port, "access_log": False}, logging_config={"enable_access_log": False}
)
serve.run(Booster.bind(), route_prefix="/predict")
while True:
    time.sleep(60)
