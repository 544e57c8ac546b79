"""How often the commands are right, judged by running them: see docs/quality.md.

python -m benchmarks.quality.check              the tasks themselves
python -m benchmarks.quality.run --help         ask a backend, judge, one JSON line a task
python -m benchmarks.quality.report FILE ...    the figures; --compare A B
"""
