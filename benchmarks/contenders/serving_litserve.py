"""LitServe with the same booster: one worker, and batches of up to `batch` requests (1: none)."""

import sys

import lightgbm
import litserve
import numpy as np

port, model, batch = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])


class Booster(litserve.LitAPI):
    def setup(self, device):
        self.booster = lightgbm.Booster(model_file=model)

    def decode_request(self, request):
        return np.array(request["features"])

    def predict(self, rows):
        return self.booster.predict(np.atleast_2d(rows), num_threads=1)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"prediction": float(np.ravel(output)[0])}


if __name__ == "__main__":
    waits = {"max_batch_size": batch, "batch_timeout": 0.002} if batch > 1 else {}
    server = litserve.LitServer(Booster(**waits), accelerator="cpu", workers_per_device=1)
    server.run(port=port, generate_client_file=False, log_level="error", num_api_servers=1, access_log=False)
