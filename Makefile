# The commands of this repository; each sets up what it needs in .venv first.
#   make demo    see the whole system work, the results in demo/
#   make test    run all tests
#   make setup   only set up .venv; done again when requirements or messages change
#   make lint    ruff, mypy and biome
#   make libero  also install LIBERO, of whose objects the household images are made (1 GB)
#   make colcon  build with colcon in a temporary workspace and check what is installed
#   make clean   remove what builds, tests and the demo made; make distclean: .venv too

SHELL := /bin/bash
.PHONY: help demo test setup lint libero colcon clean distclean

help:
	@sed -n '2,/^$$/s/^# *//p' Makefile

demo: setup
	.venv/bin/vlam demo

test: setup .venv/.browser
	.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

setup: .venv/.package

lint: setup .venv/.lint
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/biome lint --error-on-warnings vlam_ros

libero: setup .venv/.libero

colcon: setup .venv/.colcon
	@tools/colcon_check.sh

clean:
	rm -rf build install log dist demo *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache

distclean: clean
	rm -rf .venv

# Stamps of the steps of set-up.
.venv/.wheels: requirements.txt tools/setup.sh
	@tools/setup.sh wheels
	@touch $@

.venv/.package: .venv/.wheels CMakeLists.txt package.xml setup.py setup.cfg $(wildcard msg/*.msg)
	@tools/setup.sh package
	@touch $@

.venv/.browser: .venv/.wheels
	@tools/setup.sh browser
	@touch $@

.venv/.lint: requirements-dev.txt .venv/.wheels
	@tools/setup.sh lint
	@touch $@

.venv/.libero: requirements-libero.txt .venv/.wheels
	@tools/setup.sh libero
	@touch $@

.venv/.colcon: requirements-colcon.txt .venv/.wheels
	@tools/setup.sh colcon
	@touch $@
