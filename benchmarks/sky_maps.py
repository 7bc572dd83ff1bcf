"""Compare sky maps with those of ligo.skymap, and test them over injections.

    python benchmarks/sky_maps.py --outdir outdir/sky_maps --maker ligo-skymap-from-samples
    python benchmarks/sky_maps.py --outdir outdir/sky_maps_pp --injections 200 --picture pp.png

The first form analyses one signal in H1, L1 and V1 and makes its map. It compares this with maps that ligo.skymap makes from
5000 rows of the same posterior and, if ``sky_maps_dynesty.py`` has left its result in the same folder, from 5000 rows of
dynesty's: areas, the searched area of the true position, moments of the distance, divergences in nat, and seconds. Other
versions of our map are made from the rows alone, with and without smoothing.

The second form draws sources from the prior, alternately for H1 and L1 and for all three detectors, in Gaussian noise. It gives
the searched probability of the true position in each map, which is uniform if the maps are right. Results are lines of JSON;
finished events are not computed again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import bilby
import numpy as np
from real_event_run import cpu_seconds
from scipy.stats import kstest
from sky_maps_cases import NETWORKS, SEED, TRUTH, detectors, drawn, likelihood, narrow_priors, priors

ROWS = 5000


def run(problem: Any, prior: Any, outdir: Path, label: str, effective: int, save: bool, **settings: Any) -> Any:
    """Run flowpe, with the network that ships if it serves the problem."""
    return bilby.run_sampler(
        problem, prior, sampler="flowpe", network="auto", npool=1, n_effective=effective, n_posterior=ROWS, sampling_seed=1,
        outdir=str(outdir), label=label, save=save, resume=False, clean=True, progress=False, **settings,
    )  # fmt: skip


def injected(index: int, given: argparse.Namespace) -> dict[str, Any]:
    """Draw, run, map, and where the truth is in it."""
    from bilby_flowpe.skymap import sky_map
    from bilby_flowpe.skymap.candidates import of_rows
    from bilby_flowpe.skymap.of_result import candidates_of

    network = [*NETWORKS][index % 2]
    problem, prior, truth, ratio = drawn(network, index)
    began = cpu_seconds()
    folder = given.outdir / "runs"
    result = run(problem, prior, folder, "event", given.effective, False)
    seconds = cpu_seconds() - began
    began = time.process_time()
    found = sky_map(result, folder)
    of_map = time.process_time() - began
    places = candidates_of(result, folder)
    statistics = result.meta_data["run_statistics"]
    (searched,) = found.searched_probability(truth["ra"], truth["dec"])
    (area,) = found.searched_area(truth["ra"], truth["dec"])
    mean, deviation = found.distance
    rows = of_rows(*(result.posterior[key].to_numpy() for key in ("ra", "dec", "luminosity_distance")))
    (of_rows_alone,) = sky_map(rows).searched_probability(truth["ra"], truth["dec"])
    return {
        "event": index, "network": network, "snr": ratio, "searched_probability": float(searched), "searched_area": float(area),
        "of_rows": float(of_rows_alone), "area_50": found.area(0.5), "area_90": found.area(0.9),
        "distance": truth["luminosity_distance"], "mean": mean, "deviation": deviation, "rows": len(result.posterior),
        "places": len(places.ra),
        "effective_places": places.effective, "verdict": statistics["verdict"],
        "effective": statistics["effective_sample_size"], "cpu_seconds": seconds, "places_seconds": places.seconds,
        "map_cpu_seconds": of_map,
    }  # fmt: skip


def injections(given: argparse.Namespace) -> None:
    """Do those that have no line yet, then report."""
    given.outdir.mkdir(parents=True, exist_ok=True)
    file = given.outdir / "events.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for index in range(len(found), given.injections):
        found.append(injected(index, given))
        with file.open("a") as lines:
            lines.write(json.dumps(found[-1], default=float) + "\n")
        one = found[-1]
        print(
            f"event {index}: {one['network']}, ratio {one['snr']:.1f}, searched probability {one['searched_probability']:.3f}, "
            f"90% area {one['area_90']:.0f}, {one['verdict']}, {one['cpu_seconds']:.1f} CPU seconds, of them the places "
            f"{one['places_seconds']:.2f}; the map {one['map_cpu_seconds']:.2f}",
            flush=True,
        )
    report(found[: given.injections], given.picture)


def report(found: list[dict[str, Any]], picture: Path | None) -> None:
    """P-values of uniform searched probabilities."""
    kept = [one for one in found if one["verdict"] != "failed"]
    groups = {"all": found, "not failed": kept, "ratio above 8": [one for one in found if one["snr"] > 8]}
    groups |= {network: [one for one in kept if one["network"] == network] for network in NETWORKS}
    kinds = {"weighted places": "searched_probability", "rows": "of_rows"}
    for name, those in groups.items():
        for kind, key in kinds.items():
            values = np.array([one[key] for one in those])
            if len(values) > 1:
                within = ", ".join(f"{np.mean(values < level):.3f} within {level:.0%}" for level in (0.5, 0.9))
                p_value = kstest(values, "uniform").pvalue
                print(f"{name} ({len(values)}), {kind}: Kolmogorov-Smirnov p-value {p_value:.3f}; {within}")
    off = np.array([(one["distance"] - one["mean"]) / one["deviation"] for one in kept])
    print(f"true distance less the map's mean, over its deviation: mean {off.mean():.2f}, deviation {off.std():.2f}")
    words = {"cpu_seconds": "CPU s a run", "places_seconds": "s for the places", "map_cpu_seconds": "CPU s a map"}
    for key, unit in words.items():
        values = np.array([one[key] for one in found])
        print(f"{unit}: median {np.median(values):.2f}, largest {values.max():.2f}")
    print(f"effective places: median {np.median([one['effective_places'] for one in found]):.0f}")
    if picture:
        from bilby_flowpe.plotting import plot_pp
        from bilby_flowpe.validation.ranks import uniformity

        ranks = {
            kind: {net: np.array([one[key] for one in kept if one["network"] == net]) for net in NETWORKS}
            for kind, key in kinds.items()
        }
        plot_pp(ranks, picture, p_values={kind: uniformity(of_kind) for kind, of_kind in ranks.items()})


def made_by_ligo(maker: str, posterior: Any, outdir: Path, name: str) -> tuple[Any, float]:
    """The map that ligo.skymap makes of rows, and its seconds."""
    from bilby_flowpe.skymap import read_sky_map

    rows = posterior.sample(min(ROWS, len(posterior)), random_state=1)
    samples = outdir / f"{name}.dat"
    columns = {"ra": "ra", "dec": "dec", "luminosity_distance": "dist", "geocent_time": "time"}
    rows[list(columns)].rename(columns=columns).to_csv(samples, sep=" ", index=False)
    began = time.monotonic()
    options = ["--fitsoutname", f"{name}.fits", "--outdir", str(outdir), "--seed", "1", "--objid", name]
    subprocess.run([maker, str(samples), *options], check=True, capture_output=True)
    return read_sky_map(outdir / f"{name}.fits"), time.monotonic() - began


def compared(given: argparse.Namespace) -> None:
    """Compare all maps of one event."""
    from bilby_flowpe.skymap import divergence, sky_map, symmetric_divergence, write_sky_map
    from bilby_flowpe.skymap.candidates import of_rows
    from bilby_flowpe.skymap.cells import finest_of, split
    from bilby_flowpe.skymap.map import SkyMap
    from bilby_flowpe.skymap.picture import plot_sky_map

    given.outdir.mkdir(parents=True, exist_ok=True)
    file = given.outdir / "flowpe_result.json"
    if not file.exists():
        interferometers, _ = detectors("HLV", TRUTH, SEED)
        run(
            likelihood(interferometers),
            narrow_priors(priors()),
            given.outdir,
            "flowpe",
            ROWS,
            True,
            injection_parameters=TRUTH,
        )
    result = bilby.read_in_result(str(file))
    began = time.monotonic()
    maps = {"ours": sky_map(result, given.outdir)}
    seconds = {"ours": float(maps["ours"].header["RUNTIME"][0])}
    print(f"our map: {seconds['ours']:.2f} s, of them {time.monotonic() - began:.2f} s from places to map")
    posterior = result.posterior
    places = of_rows(*(posterior[key].to_numpy() for key in ("ra", "dec", "luminosity_distance")))
    began = time.monotonic()
    maps["ours, of rows"] = sky_map(places)
    seconds["ours, of rows"] = time.monotonic() - began
    finest = finest_of(places.ra, places.dec)
    cells = split(finest, places.weight, 30)
    share = np.bincount(cells.numbers(finest), places.weight, minlength=len(cells.start))
    share = (share + cells.area / (4 * np.pi) / len(places.ra)) / (1 + 1 / len(places.ra))
    maps["rows in cells of 30"] = SkyMap(cells, share / cells.area)
    if given.maker:
        maps["ligo.skymap, our rows"], seconds["ligo.skymap, our rows"] = made_by_ligo(
            given.maker, posterior, given.outdir, "ligo_flowpe"
        )
        other = given.outdir / "dynesty_result.json"
        if other.exists():
            dynesty = bilby.read_in_result(str(other)).posterior
            maps["ours, dynesty's rows"] = sky_map(
                of_rows(*(dynesty[key].to_numpy() for key in ("ra", "dec", "luminosity_distance")))
            )
            maps["ligo.skymap, dynesty's"], seconds["ligo.skymap, dynesty's"] = made_by_ligo(
                given.maker, dynesty, given.outdir, "ligo_dynesty"
            )
            print(f"rows: {len(posterior)} of flowpe, {len(dynesty)} of dynesty")
    columns = ("50%", "90%", "searched", "p", "distance", "deviation", "KL from", "KL to", "JS", "s")
    print(f"{'':<24}" + "".join(f"{column:>11}" for column in columns))
    truth = TRUTH["ra"], TRUTH["dec"]
    for name, found in maps.items():
        mean, deviation = found.distance or (np.nan, np.nan)
        figures = [found.area(0.5), found.area(0.9), found.searched_area(*truth)[0]]
        figures += [found.searched_probability(*truth)[0], mean, deviation]
        figures += [divergence(maps["ours"], found), divergence(found, maps["ours"])]
        figures += [symmetric_divergence(found, maps["ours"]), seconds.get(name, np.nan)]
        print(f"{name:<24}" + "".join(f"{figure:>11.4g}" for figure in figures))
    write_sky_map(maps["ours"], given.outdir / "ours.fits")
    plot_sky_map(
        maps["ours"],
        given.picture or given.outdir / "ours.png",
        {"injected": (TRUTH["ra"], TRUTH["dec"])},
        "injection in H1, L1 and V1",
    )


def main() -> None:
    """Compare, or measure over injections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=Path("outdir/sky_maps"))
    parser.add_argument("--injections", type=int, default=0)
    parser.add_argument("--effective", type=int, default=300, help="number of effective draws for each injection")
    parser.add_argument("--maker", help="path of ligo.skymap's program ligo-skymap-from-samples")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    bilby.core.utils.logger.setLevel("ERROR")
    if given.injections:
        injections(given)
    else:
        compared(given)


if __name__ == "__main__":
    main()
