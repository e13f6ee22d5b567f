"""FastAPI and ONNX Runtime, as their tutorials put them together: no accounts, no history."""

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

port, graph = int(sys.argv[1]), sys.argv[2]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(graph, options)
app = FastAPI()


class Question(BaseModel):
    features: list[float]


class Answer(BaseModel):
    prediction: float


@app.post("/predict")
async def predict(question: Question) -> Answer:
    row = np.array([question.features])
    return Answer(prediction=session.run(["prediction"], {"features": row})[0].item(0))


uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="error")
