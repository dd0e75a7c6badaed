"""Tables of the scanner. Each fact stands once: a layer, a package, a set of packages, a match.

Images, layers and packages have 64-bit surrogates because set members are by far the widest table.
"""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, Surrogate, TextC, metadata

layers = sa.Table(
    "scan_layers",
    metadata,
    sa.Column("digest", TextC, primary_key=True, comment="digest of the layer as pushed (compressed)"),
    sa.Column("indexer", sa.Integer, primary_key=True, comment="indexer version that read it"),
    sa.Column(
        "report_key",
        TextC,
        nullable=True,
        comment="diff_id of its report, 'unread:DIGEST' if there is no diff_id; null: not read yet",
    ),
    sa.Column("size", sa.BigInteger, nullable=False, comment="bytes as pushed"),
    sa.Column("attempts", sa.Integer, nullable=False, default=0, comment="readings that were begun"),
    sa.Column("read_at", Micros, nullable=False),
)

layer_reports = sa.Table(
    "scan_layer_reports",
    metadata,
    sa.Column("report_key", TextC, primary_key=True, comment="measured digest of the tar stream: the diff_id"),
    sa.Column("indexer", sa.Integer, primary_key=True, comment="indexer version"),
    sa.Column("rules", sa.Integer, primary_key=True, comment="version of the rule sets (secrets, malware)"),
    sa.Column("report", sa.LargeBinary, nullable=False, comment="LayerReport, msgpack, zstd"),
    sa.Column("read_at", Micros, nullable=False),
)

packages = sa.Table(
    "scan_packages",
    metadata,
    sa.Column("id", Surrogate, primary_key=True, autoincrement=True),
    sa.Column(
        "key", TextC, nullable=False, unique=True, comment="sha256 over all that matching may ask, place excepted"
    ),
    sa.Column("record", JsonText, nullable=False, comment="the package as it was read, without its place"),
    sa.Column("owner", JsonText, nullable=True, comment="the distribution's package that ships its files"),
    sa.Column(
        "candidates", TextC, nullable=True, comment="digest of the records that could speak of it; null: never judged"
    ),
    sa.Column("not_assessed", sa.Text, nullable=True, comment="why it could not be judged; null when it was"),
    sa.Column("not_assessed_code", TextC, nullable=False, default=""),
)

package_keys = sa.Table(
    "scan_package_keys",
    metadata,
    sa.Column("ecosystem", TextC, primary_key=True, comment="as advisory feeds address it"),
    sa.Column("name", TextC, primary_key=True),
    sa.Column("package_id", Surrogate, sa.ForeignKey("scan_packages.id"), primary_key=True),
    sa.Index("ix_scan_package_keys_package", "package_id"),
    sqlite_with_rowid=False,
)

package_sets = sa.Table(
    "scan_package_sets",
    metadata,
    sa.Column("id", Surrogate, primary_key=True, autoincrement=True),
    sa.Column("digest", TextC, nullable=False, unique=True, comment="content address of the set"),
    sa.Column("distro", TextC, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("unassessed", JsonText, nullable=False, comment="reason -> packages of the set that could not be judged"),
)

set_members = sa.Table(
    "scan_set_members",
    metadata,
    sa.Column("set_id", Surrogate, sa.ForeignKey("scan_package_sets.id"), primary_key=True),
    sa.Column("package_id", Surrogate, sa.ForeignKey("scan_packages.id"), primary_key=True),
    sa.Index("ix_scan_set_members_package", "package_id", "set_id"),
    sqlite_with_rowid=False,
)

images = sa.Table(
    "scan_images",
    metadata,
    sa.Column("digest", TextC, primary_key=True, comment="digest of the manifest"),
    sa.Column("state", TextC, nullable=False, comment="reading, assessed or unassessable"),
    sa.Column("set_id", Surrogate, sa.ForeignKey("scan_package_sets.id"), nullable=True),
    sa.Column("indexer", sa.Integer, nullable=False),
    sa.Column("problem", sa.Text, nullable=False, default=""),
    sa.Column("remedy", sa.Text, nullable=False, default=""),
    sa.Column("attribution", sa.Text, nullable=False, comment="JSON: package id -> [[layer index, diff_id, path], …]"),
    sa.Column("layers", sa.Text, nullable=False, comment="JSON, lowest first: [[diff_id, build step, packages], …]"),
    sa.Column("facts", JsonText, nullable=False, comment="configuration, platform, what was not assessed"),
    sa.Column("assessed_at", Micros, nullable=False),
    sa.Index("ix_scan_images_set", "set_id"),
)

places = sa.Table(
    "scan_places",
    metadata,
    sa.Column("digest", TextC, primary_key=True),
    sa.Column("repository_id", Id, primary_key=True),
    sa.Column("repository", TextC, nullable=False),
    sa.Column("pushed_at", Micros, nullable=False),
    sa.Index("ix_scan_places_repository", "repository", "digest"),
)

matches = sa.Table(
    "scan_matches",
    metadata,
    sa.Column("package_id", Surrogate, sa.ForeignKey("scan_packages.id"), primary_key=True),
    sa.Column("group_id", TextC, primary_key=True, comment="alias group"),
    sa.Column("severity", TextC, nullable=False),
    sa.Column("exploited", sa.Boolean, nullable=False),
    sa.Column("fixable", sa.Boolean, nullable=False),
    sa.Column("notable", sa.Boolean, nullable=False, comment="a policy may act on it: see scan.matches"),
    sa.Column("record", JsonText, nullable=False, comment="the match with its evidence"),
    sa.Index("ix_scan_matches_group", "group_id"),
)

changes = sa.Table(
    "scan_changes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("rules", JsonText, nullable=False, comment="alias groups whose findings changed; null: all of them"),
    sa.Column(
        "gates", sa.Boolean, nullable=False, comment="a notable match or the coverage is among them: decide again"
    ),
    sa.Column("coverage", sa.Boolean, nullable=False, comment="packages became assessable, or ceased to be"),
)

dirty_packages = sa.Table(
    "scan_dirty_packages",
    metadata,
    sa.Column("change_id", Id, sa.ForeignKey("scan_changes.id"), primary_key=True),
    sa.Column("package_id", Surrogate, sa.ForeignKey("scan_packages.id"), primary_key=True),
    sqlite_with_rowid=False,
)

dirty_sets = sa.Table(
    "scan_dirty_sets",
    metadata,
    sa.Column("change_id", Id, sa.ForeignKey("scan_changes.id"), primary_key=True),
    sa.Column("set_id", Surrogate, sa.ForeignKey("scan_package_sets.id"), primary_key=True),
    sqlite_with_rowid=False,
)

advisory_state = sa.Table(
    "scan_advisory_state",
    metadata,
    sa.Column(
        "name",
        TextC,
        primary_key=True,
        comment="'current': answers stand on it; 'judged': all packages were judged by it",
    ),
    sa.Column("revision", TextC, nullable=False),
    sa.Column("starter", sa.Boolean, nullable=False),
    sa.Column("updated_at", Micros, nullable=False),
)

chains = sa.Table(
    "scan_chains",
    metadata,
    sa.Column("chain", TextC, primary_key=True, comment="ChainID of the first n layers of some image (OCI image spec)"),
    sa.Column("parent", TextC, nullable=False, comment="ChainID of its first n - 1 layers; '' for n = 1"),
    sa.Index("ix_scan_chains_parent", "parent"),
)

image_chains = sa.Table(
    "scan_image_chains",
    metadata,
    sa.Column("digest", TextC, primary_key=True, comment="digest of the manifest"),
    sa.Column("chain", TextC, nullable=False, comment="ChainID of all its layers"),
    sa.Column("depth", sa.Integer, nullable=False, comment="number of its layers"),
    sa.Column("base", TextC, nullable=False, comment="longest chain below its own that is a whole image; '' for none"),
    sa.Column("base_depth", sa.Integer, nullable=False, comment="number of layers of its base; 0 for none"),
    sa.Index("ix_scan_image_chains_chain", "chain"),
    sa.Index("ix_scan_image_chains_base", "base", "digest"),
)

bases = sa.Table(
    "scan_bases",
    metadata,
    sa.Column("chain", TextC, primary_key=True, comment="ChainID of the base: all its layers"),
    sa.Column("key", TextC, nullable=False, comment="what recommendations group by: hash of repository and tag"),
    sa.Column("digest", TextC, nullable=False, comment="manifest of the base that was chosen"),
    sa.Column("repository", TextC, nullable=False, comment="where it is, or was"),
    sa.Column("tag", TextC, nullable=False, comment="its name there, of now or of before; '' for none"),
    sa.Column("named", sa.Boolean, nullable=False, comment="the tag still stands for this digest"),
    sa.Column("distro", TextC, nullable=False),
    sa.Column("target", TextC, nullable=False, comment="manifest of a newer build that is better; '' for none"),
    sa.Column("target_tag", TextC, nullable=False),
    sa.Column("compared", JsonText, nullable=False, comment="counts by severity: before, cleared, left, brought"),
    sa.Column("cleared", JsonText, nullable=False, comment="alias groups that the newer build is without"),
    sa.Column("why_not", sa.Text, nullable=False, comment="why no newer build is named; '' when one is"),
    sa.Column("pending", JsonText, nullable=True, comment="alias groups whose findings are to be written anew"),
    sa.Column("updated_at", Micros, nullable=False),
    sa.Index("ix_scan_bases_key", "key"),
    sa.Index("ix_scan_bases_repository", "repository"),
)

served_names = sa.Table(
    "scan_served_names",
    metadata,
    sa.Column("repository", TextC, primary_key=True),
    sa.Column("digest", TextC, primary_key=True, comment="manifest or index that readers of the tag got"),
    sa.Column("tag", TextC, primary_key=True),
    sa.Column("at", Micros, nullable=False),
    sa.Index("ix_scan_served_names_digest", "digest"),
    sqlite_with_rowid=False,
)
