# Chooses among the inputs of a merge those that add most to what the kept ones reach, one after the other.
NR == 1 { files = $1; next }
NR == 2 { kept = $1; next }
NR <= files + 2 { name[NR - 3] = $0; next }
$1 == "FT" {
    for (k = 3; k <= NF; k++) if ($2 < kept) reached[$k] = 1; else reach[$2] = reach[$2] " " $k
}
END {
    for (; room > 0; room--) {
        most = 0
        for (i in reach) {
            count = split(reach[i], features, " ")
            fresh = 0
            for (k = 1; k <= count; k++) if (!(features[k] in reached)) fresh++
            if (!fresh) delete reach[i]
            if (fresh > most) { most = fresh; best = i }
        }
        if (!most) break
        count = split(reach[best], features, " ")
        for (k = 1; k <= count; k++) reached[features[k]] = 1
        delete reach[best]
        print name[best]
    }
}
