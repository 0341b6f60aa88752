"""A run from Python, on the small video world that comes with videostar. In an empty folder, minutes without a GPU:

python examples/python_api.py
"""

import videostar

# Data: any .csv of video,label, or a data manifest. Here an ordinary folder of clips with train.csv and test.csv.
videostar.write_demo()
pipeline = videostar.load_pipeline("demo", rounds=1, limit=12, settings=["training.epochs=1"])
data = videostar.load_data(pipeline)
print(f"{len(data.split('train'))} videos to train on, {len(data.skipped)} rows skipped")

# One round: answer, verify, rationalise, train, evaluate. The same call again goes on where it was interrupted.
run = videostar.run_cycle(pipeline, "runs/api")
print(run.rounds()[["kept", "rationalised", "steps", "accuracy", "validation"]])

# Every answer is on disk, with its verdict.
answers = run.answers(1)
print(answers[answers.kept][["label", "kind", "text"]].head(3).to_string())
print(answers[~answers.kept].reason.value_counts())

# The round with the highest validation accuracy, and its LoRA (None: the base model is best).
print(run.best_round, run.best_lora)

# Judge an answer by a label, without any model.
verdict = videostar.judge("The person opens a door.", {"kind": "action", "name": "opening a door"})
print(verdict.accepted, verdict.reason)
