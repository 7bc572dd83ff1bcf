"""Files on disk: folders written completely or not at all, evaluations of interrupted runs, digests and versions.

To read first: :mod:`.folder`, the folder of a model; :mod:`.ledger`, the evaluations of an interrupted run; and
:mod:`.identity`, the digest that tells whether these belong to a likelihood.

To add a file to the folder of a model, let :func:`.folder.write_folder` write it: it is then covered by the checks of
damage.
"""
